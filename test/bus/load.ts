import { expect } from 'vitest';
import { BusUnavailable, type AppendResult, type Bus } from '../../core/bus/bus.ts';
import { isOrderOf } from '../../core/publication.ts';
import { publication, type Listener } from './world.ts';

/** An append ends within 2 s: milliseconds, with some for the turn that it takes. */
const appendMsMax = 2_100;

/** Appends to a channel without a pause until it is stopped; keeps every outcome. */
export class Load {
  readonly appended: (AppendResult & { readonly at: number })[] = [];
  readonly failures: { readonly error: unknown; readonly isLate: boolean; readonly tookMs: number; readonly at: number }[] = [];
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(bus: Bus, channel: string) {
    this.#ended = this.#run(bus, channel);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  get epochs(): readonly string[] {
    return [...new Set(this.appended.map(({ epoch }) => epoch))];
  }

  /** No place is given twice, and every failure is told in time and as what it is. */
  check(): void {
    for (const { error, isLate } of this.failures) {
      expect(error).toBeInstanceOf(BusUnavailable);
      expect(isLate).toBe(false);
    }
    const places = this.appended.flatMap(({ epoch, firstOffset, lastOffset }) => [`${epoch}:${firstOffset}`, `${epoch}:${lastOffset}`]);
    expect(new Set(places).size, 'no place is given twice').toBe(places.length);
  }

  async #run(bus: Bus, channel: string): Promise<void> {
    for (let index = 0; !this.#stopped; index++) {
      const startedAt = performance.now();
      let isLate = false;
      // A timer, not a clock: however long this process stands still, what was due before it comes before it.
      const deadline = setTimeout(() => (isLate = true), appendMsMax);
      try {
        const result = await bus.log.append(channel, [publication(`${index}`), publication(`${index}`)]);
        this.appended.push({ ...result, at: performance.now() });
      } catch (error) {
        this.failures.push({ error, isLate, tookMs: performance.now() - startedAt, at: performance.now() });
      } finally {
        clearTimeout(deadline);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/**
 * Between two interruptions offsets rise one by one within an epoch; what was told before a new position lies up to it,
 * what was told after it beyond.
 */
export function expectOrderAroundPositions(listener: Listener): void {
  const last = new Map<string, number>();
  let position: { readonly epoch: string; readonly offset: number } | undefined;
  for (const item of listener.heard) {
    if (item.kind === 'resubscribed') {
      position = item.position;
      expect(last.get(position.epoch) ?? 0).toBeLessThanOrEqual(position.offset);
      last.set(position.epoch, position.offset);
      continue;
    }
    const previous = last.get(item.epoch);
    if (previous !== undefined) expect(item.offset).toBe(previous + 1);
    else if (position !== undefined && isOrderOf(position, item.epoch)) expect(item.offset).toBe(position.offset + 1);
    last.set(item.epoch, item.offset);
  }
}
