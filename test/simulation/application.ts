import { expect } from 'vitest';
import { DelayedDelivery } from '../../client/delayed-delivery.ts';
import type { Step } from '../../client/holdback.ts';
import { ServerClock } from '../../client/server-clock.ts';
import type { FakeClock } from '../support/fake-clock.ts';

/** Viewers have no snapshots. */
type Told = Exclude<Step, { kind: 'snapshot' }>;

/**
 * An application behind a viewer, whose player is behind by now more and now less: the SDK's own `DelayedDelivery`.
 * Checks that it is given what the viewer was told, in order and once, and nothing too early.
 */
export class Application {
  readonly #clock: FakeClock;
  readonly #serverClock = new ServerClock();
  readonly #delivery: DelayedDelivery;
  /** What the viewer was told and what the application was given, one line for each publication and gap. */
  readonly #told: string[] = [];
  readonly #given: string[] = [];
  #end: number | undefined;

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.#delivery = new DelayedDelivery({
      delay: () => this.#delayMs,
      clock,
      serverClock: this.#serverClock,
      deliver: (step) => this.#give(step as Told),
      onEarly: () => expect.fail('fewer publications are held than may be'),
    });
  }

  /** The viewer has another connection. */
  greeted(): void {
    this.#serverClock.greeted(this.#clock.wall(), this.#clock.monotonic());
  }

  take(steps: readonly Told[]): void {
    for (const step of steps) this.#told.push(...linesOf(step));
    this.#delivery.add(steps);
  }

  /** After all delays are over. */
  checkAll(): void {
    expect(this.#given).toEqual(this.#told);
    expect(this.#delivery.isEmpty).toBe(true);
  }

  close(): void {
    this.#delivery.end('discard');
  }

  get #delayMs(): number {
    return (Math.floor(this.#clock.time / 700) % 3) * 500;
  }

  #give(step: Told): void {
    const [start, end] = step.kind === 'gap' ? [step.from?.offset, step.to.offset] : [step.batch.after, step.batch.upto];
    if (this.#end !== undefined) expect(start).toBe(this.#end);
    this.#end = end;
    this.#given.push(...linesOf(step));
    if (step.kind === 'gap' || this.#clock.wallAheadMs !== 0) return;
    const youngest = Math.max(...step.batch.publications.map(({ acceptedAt }) => acceptedAt ?? Infinity));
    expect(this.#clock.wall() - youngest).toBeGreaterThanOrEqual(this.#delayMs);
  }
}

function linesOf(step: Told): readonly string[] {
  if (step.kind === 'gap') return [`gap ${step.from?.epoch}:${step.from?.offset} ${step.to.epoch}:${step.to.offset} ${step.reason}`];
  const { epoch, publications } = step.batch;
  return publications.map(({ offset, data, count }) => `${epoch}:${offset} ${count ?? ''} ${String(data)}`);
}
