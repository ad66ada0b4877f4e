import { expect, test } from 'vitest';
import {
  defaultElectionTimes as times,
  leads,
  nextStep,
  nothingObserved,
  observed,
  type ElectionState,
  type LeaseRecord,
} from '../../../operator/runtime/election.ts';
import { Random } from '../../simulation/random.ts';

const heldBy = (holder: string, version = '1', durationMs = 15_000): LeaseRecord => ({ holder, version, durationMs });
const step = (state: ElectionState, now: number) => nextStep(state, 'me', times, now);

test('where there is no Lease one is created, and a released one is taken at once', () => {
  expect(step(nothingObserved, 5)).toEqual({ kind: 'create' });
  expect(step(observed(nothingObserved, heldBy(''), 5), 5)).toEqual({ kind: 'acquire' });
});

test('another\u2019s Lease is waited for until it has not changed for its duration, by our clock', () => {
  let state = observed(nothingObserved, heldBy('other', '1'), 1000);
  state = observed(state, heldBy('other', '1'), 9000);
  expect(step(state, 9000)).toEqual({ kind: 'wait', forMs: 7000 });
  state = observed(state, heldBy('other', '2'), 10_000);
  expect(step(state, 24_999)).toEqual({ kind: 'wait', forMs: 1 });
  expect(step(state, 25_000)).toEqual({ kind: 'acquire' });
});

test('a Lease with our name that this process did not write is waited for', () => {
  expect(step(observed(nothingObserved, heldBy('me'), 0), 0)).toEqual({ kind: 'wait', forMs: 15_000 });
});

test('a leader renews until its deadline after the last write that it sent, and has lost from then on', () => {
  const state = observed(nothingObserved, heldBy('me'), 100, 50);
  expect([step(state, 10_049), leads(state, times, 10_049)]).toEqual([{ kind: 'renew' }, true]);
  expect([step(state, 10_050).kind, leads(state, times, 10_050)]).toEqual(['lost', false]);
});

test('a leader whose Lease is another\u2019s has lost; one whose Lease was deleted makes it again', () => {
  const state = observed(nothingObserved, heldBy('me'), 100, 50);
  expect(step(observed(state, heldBy('other', '2'), 200), 200)).toEqual({ kind: 'lost', reason: 'the Lease is held by other' });
  expect(step(observed(state, undefined, 200), 200)).toEqual({ kind: 'create' });
});

test('there are never two leaders: 1000 runs of three with clocks that differ, late and lost messages, and processes that are held', () => {
  let elections = 0;
  for (let seed = 1; seed <= 1000; seed += 1) elections += new Cluster(seed).run(120_000);
  expect(elections, 'how often somebody was elected').toBeGreaterThan(3000);
});

interface Candidate {
  identity: string;
  state: ElectionState;
  readonly clockOffset: number;
}

/** Candidates before a Lease that refuses writes of an older version, with every message under way for a time of its own. */
class Cluster {
  readonly #random: Random;
  readonly #seed: number;
  readonly #events: { readonly at: number; readonly run: () => void }[] = [];
  readonly #candidates: readonly Candidate[];
  #now = 0;
  #lease: LeaseRecord | undefined;
  #writes = 0;
  #elections = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#candidates = ['a', 'b', 'c'].map((identity) => ({ identity, state: nothingObserved, clockOffset: this.#random.below(1e6) }));
    for (const candidate of this.#candidates) this.#in(this.#random.below(2000), () => this.#read(candidate));
  }

  /** Returns how often somebody was elected. */
  run(untilMs: number): number {
    for (;;) {
      const next = this.#events.toSorted((one, other) => one.at - other.at)[0];
      if (next === undefined || next.at > untilMs) return this.#elections;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.#now = next.at;
      next.run();
      const leaders = this.#candidates.filter((candidate) => leads(candidate.state, times, this.#clock(candidate)));
      expect(leaders.length, `seed ${this.#seed}, ${this.#now} ms`).toBeLessThanOrEqual(1);
    }
  }

  #read(candidate: Candidate): void {
    const answer = this.#exchange(() => this.#lease);
    this.#in(answer.afterMs, () => {
      if (answer.isLost) return this.#pause(candidate);
      candidate.state = observed(candidate.state, answer.value(), this.#clock(candidate));
      this.#decide(candidate);
    });
  }

  #decide(candidate: Candidate): void {
    const step = nextStep(candidate.state, candidate.identity, times, this.#clock(candidate));
    if (step.kind === 'wait') return this.#pause(candidate);
    if (step.kind === 'lost') {
      // Its process ends, and another begins under a name of its own.
      candidate.state = nothingObserved;
      candidate.identity += "'";
      return this.#pause(candidate);
    }
    const known = candidate.state.record?.version;
    const sentAt = this.#clock(candidate);
    const holder = candidate.identity;
    const answer = this.#exchange(() => this.#write(known, holder));
    this.#in(answer.afterMs, () => {
      const written = answer.isLost ? undefined : answer.value();
      if (written !== undefined) {
        if (candidate.state.renewedAt === undefined) this.#elections += 1;
        candidate.state = observed(candidate.state, written, this.#clock(candidate), sentAt);
      }
      this.#pause(candidate);
    });
  }

  #write(known: string | undefined, holder: string): LeaseRecord | undefined {
    if (this.#lease?.version !== known) return undefined;
    this.#writes += 1;
    this.#lease = { holder, durationMs: times.leaseDurationMs, version: String(this.#writes) };
    return this.#lease;
  }

  /** A request that is done some time after it was sent, maybe long after its sender gave up; the sender is held now and then. */
  #exchange<T>(act: () => T): { readonly afterMs: number; readonly isLost: boolean; readonly value: () => T } {
    let done: { readonly value: T } | undefined;
    const arrivesMs = this.#random.chance(0.1) ? this.#random.below(20_000) : this.#random.below(300);
    this.#in(arrivesMs, () => (done = { value: act() }));
    const heldMs = this.#random.chance(0.05) ? this.#random.below(30_000) : 0;
    const isLost = arrivesMs > 5000 || this.#random.chance(0.1);
    const value = (): T => {
      if (done === undefined) throw new Error('an answer before the request');
      return done.value;
    };
    return { afterMs: Math.min(5000, arrivesMs) + this.#random.below(300) + heldMs + 1, isLost, value };
  }

  #pause(candidate: Candidate): void {
    this.#in(times.retryMs, () => this.#read(candidate));
  }

  #in(ms: number, run: () => void): void {
    this.#events.push({ at: this.#now + ms, run });
  }

  #clock({ clockOffset }: Candidate): number {
    return this.#now + clockOffset;
  }
}
