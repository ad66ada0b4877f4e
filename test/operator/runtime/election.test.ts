import { expect, test } from 'vitest';
import {
  candidateOf,
  defaultElectionTimes as times,
  leads,
  nextStep,
  nothingObserved,
  observed,
  type Candidate,
  type ElectionState,
  type LeaseRecord,
} from '../../../operator/runtime/election.ts';
import { Random } from '../../simulation/random.ts';

const heldBy = (holder: string, version = '1', durationMs = 15_000): LeaseRecord => ({ holder, version, durationMs });
const me: Candidate = { identity: 'me' };
const step = (state: ElectionState, now: number, who = me) => nextStep(state, who, times, now);

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

test('the Lease of an earlier process of the same pod is taken at once; that of another pod of the same name, or of no known pod, is waited for', () => {
  const process = (podUid: string, nonce: string): Candidate => candidateOf({ name: 'operator-0', podUid, nonce });
  const earlier = observed(nothingObserved, heldBy(process('uid-1', 'a').identity), 0);
  expect(step(earlier, 0, process('uid-1', 'b'))).toEqual({ kind: 'acquire' });
  for (const other of [process('uid-2', 'b'), process('uid-11', 'b'), process('uid', 'b'), process('', 'b')])
    expect(step(earlier, 0, other)).toEqual({ kind: 'wait', forMs: 15_000 });
  const unknown = observed(nothingObserved, heldBy(process('', 'a').identity), 0);
  expect(step(unknown, 0, process('', 'b'))).toEqual({ kind: 'wait', forMs: 15_000 });
});

test('who has led and finds the Lease with an earlier process of its own pod has lost', () => {
  const state = observed(nothingObserved, heldBy('operator-0_uid-1_a', '2'), 100, 50);
  expect(step(state, 100, candidateOf({ name: 'operator-0', podUid: 'uid-1', nonce: 'b' })).kind).toBe('lost');
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

test('there are never two leaders: 1000 runs of three with clocks that differ, late and lost messages, processes that are held, and pods that restart', () => {
  let elections = 0;
  for (let seed = 1; seed <= 1000; seed += 1) elections += new Cluster(seed).run(120_000);
  expect(elections, 'how often somebody was elected').toBeGreaterThan(4500);
});

/** One that stands for election again and again: each time another process, in the same pod where it has one. */
interface Stander {
  readonly name: string;
  readonly podUid: string;
  readonly clockOffset: number;
  /** Number of its process. What an earlier one had begun goes on without it. */
  life: number;
  state: ElectionState;
}

/**
 * Candidates before a Lease that refuses writes of an older version, with every message under way for a time of its
 * own.
 */
class Cluster {
  readonly #random: Random;
  readonly #seed: number;
  readonly #events: { readonly at: number; readonly run: () => void }[] = [];
  readonly #standers: readonly Stander[];
  #now = 0;
  #lease: LeaseRecord | undefined;
  #writes = 0;
  #elections = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#standers = ['uid-a', 'uid-b', ''].map((podUid, index) => ({
      name: `operator-${index}`,
      podUid,
      clockOffset: this.#random.below(1e6),
      life: 0,
      state: nothingObserved,
    }));
    for (const stander of this.#standers) {
      this.#in(stander, this.#random.below(2000), () => this.#read(stander));
      this.#schedule(this.#random.below(60_000), () => this.#crash(stander));
    }
  }

  /** Returns how often somebody was elected. */
  run(untilMs: number): number {
    for (;;) {
      const next = this.#events.toSorted((one, other) => one.at - other.at)[0];
      if (next === undefined || next.at > untilMs) return this.#elections;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.#now = next.at;
      next.run();
      const leaders = this.#standers.filter((stander) => leads(stander.state, times, this.#clock(stander)));
      expect(leaders.length, `seed ${this.#seed}, ${this.#now} ms`).toBeLessThanOrEqual(1);
    }
  }

  /** Its process ends, at any moment and without a word, and another begins. */
  #crash(stander: Stander): void {
    this.#restart(stander);
    this.#schedule(this.#random.below(60_000), () => this.#crash(stander));
  }

  #restart(stander: Stander): void {
    stander.life += 1;
    stander.state = nothingObserved;
    this.#in(stander, this.#random.below(1000), () => this.#read(stander));
  }

  #read(stander: Stander): void {
    const answer = this.#exchange(() => this.#lease);
    this.#in(stander, answer.afterMs, () => {
      if (answer.isLost) return this.#pause(stander);
      stander.state = observed(stander.state, answer.value(), this.#clock(stander));
      this.#decide(stander);
    });
  }

  #decide(stander: Stander): void {
    const candidate = candidateOf({ name: stander.name, podUid: stander.podUid, nonce: String(stander.life) });
    const step = nextStep(stander.state, candidate, times, this.#clock(stander));
    if (step.kind === 'wait') return this.#pause(stander);
    if (step.kind === 'lost') return this.#restart(stander);
    const known = stander.state.record?.version;
    const sentAt = this.#clock(stander);
    const answer = this.#exchange(() => this.#write(known, candidate.identity));
    this.#in(stander, answer.afterMs, () => {
      const written = answer.isLost ? undefined : answer.value();
      if (written !== undefined) {
        if (stander.state.renewedAt === undefined) this.#elections += 1;
        stander.state = observed(stander.state, written, this.#clock(stander), sentAt);
      }
      this.#pause(stander);
    });
  }

  #write(known: string | undefined, holder: string): LeaseRecord | undefined {
    if (this.#lease?.version !== known) return undefined;
    this.#writes += 1;
    this.#lease = { holder, durationMs: times.leaseDurationMs, version: String(this.#writes) };
    return this.#lease;
  }

  /**
   * A request that is done some time after it was sent, maybe long after its sender gave up; the sender is held now and
   * then.
   */
  #exchange<T>(act: () => T): { readonly afterMs: number; readonly isLost: boolean; readonly value: () => T } {
    let done: { readonly value: T } | undefined;
    const arrivesMs = this.#random.chance(0.1) ? this.#random.below(20_000) : this.#random.below(300);
    this.#schedule(arrivesMs, () => (done = { value: act() }));
    const heldMs = this.#random.chance(0.05) ? this.#random.below(30_000) : 0;
    const isLost = arrivesMs > 5000 || this.#random.chance(0.1);
    const value = (): T => {
      if (done === undefined) throw new Error('an answer before the request');
      return done.value;
    };
    return { afterMs: Math.min(5000, arrivesMs) + this.#random.below(300) + heldMs + 1, isLost, value };
  }

  #pause(stander: Stander): void {
    this.#in(stander, times.retryMs, () => this.#read(stander));
  }

  /** Something that this process does later, if it still runs. */
  #in(stander: Stander, ms: number, run: () => void): void {
    const { life } = stander;
    this.#schedule(ms, () => {
      if (stander.life === life) run();
    });
  }

  #schedule(ms: number, run: () => void): void {
    this.#events.push({ at: this.#now + ms, run });
  }

  #clock({ clockOffset }: Stander): number {
    return this.#now + clockOffset;
  }
}
