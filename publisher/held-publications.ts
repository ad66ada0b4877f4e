import { BusUnavailable, type Bus } from '../core/bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import { publisherBounds } from './bounds.ts';

/**
 * How often held publications are looked at, in milliseconds: a bus can be up with the master of some channels away.
 */
const lookEveryMs = 100;

/** What became of publications that were held. */
export type HeldResult = 'published' | 'refused' | 'full';

/** Publications of one append, which may wait for the bus. */
interface Candidate {
  readonly channel: string;
  readonly publications: number;
  /** Payload bytes. */
  readonly bytes: number;
  /** Longest wait in milliseconds; 0: none. */
  readonly holdMs: number;
  /** Each publication has an idempotency key: repeating one that may have been published does not publish it twice. */
  readonly isRepeatable: boolean;
}

interface Held {
  /** Never rejects: `again` where it was not published and may still wait. */
  readonly attempt: () => Promise<'settled' | 'again'>;
  readonly refuse: (error: BusUnavailable) => void;
  readonly deadline: number;
}

interface Queue {
  readonly waiting: Held[];
  isSending: boolean;
}

/**
 * Publications of channels whose policy lets them wait while the bus is away (`limits.publishHoldMs`). They keep their
 * order within the channel. Only what was surely not published waits, or what has an idempotency key: nothing is
 * published twice. Their number, bytes and time are bounded.
 */
export class HeldPublications {
  readonly #bus: Pick<Bus, 'state' | 'onStateChange'>;
  readonly #clock: Pick<Clock, 'monotonic' | 'every'>;
  readonly #queues = new Map<string, Queue>();
  readonly #counts: Record<HeldResult, number> = { published: 0, refused: 0, full: 0 };
  #publications = 0;
  #bytes = 0;
  #stopLooking: (() => void) | undefined;
  #isLeaving = false;

  constructor({ bus, clock }: { readonly bus: Pick<Bus, 'state' | 'onStateChange'>; readonly clock: Pick<Clock, 'monotonic' | 'every'> }) {
    this.#bus = bus;
    this.#clock = clock;
    bus.onStateChange(() => this.#look());
  }

  /** Publications that wait now, and their payload bytes. */
  get size(): { readonly publications: number; readonly bytes: number } {
    return { publications: this.#publications, bytes: this.#bytes };
  }

  get counts(): Readonly<Record<HeldResult, number>> {
    return this.#counts;
  }

  /**
   * Publishes by `append`, later if the bus is away and the channel lets it wait. Calls `append` at once if it need not
   * wait.
   * @throws as `append`, which is called again only where that publishes nothing twice
   */
  publish<Result>(candidate: Candidate, append: () => Promise<Result>): Promise<Result> {
    // No promise of its own: nearly every publication goes this way.
    return candidate.holdMs === 0 || this.#isLeaving ? append() : this.#publishOrHold(candidate, append);
  }

  async #publishOrHold<Result>(candidate: Candidate, append: () => Promise<Result>): Promise<Result> {
    if (this.#queues.has(candidate.channel)) return await this.#hold(candidate, append);
    const state = this.#bus.state();
    if (!state.up) return await this.#hold(candidate, append);
    try {
      return await append();
    } catch (error) {
      if (!mayWait(error, candidate)) throw error;
      return await this.#hold(candidate, append);
    }
  }

  /** Refuses all that waits: this publisher ends. */
  leave(): void {
    this.#isLeaving = true;
    for (const { waiting } of this.#queues.values()) this.#refuseAll(waiting.splice(0), 'the publisher is leaving');
  }

  async #hold<Result>(candidate: Candidate, append: () => Promise<Result>): Promise<Result> {
    const { channel, publications, bytes, holdMs } = candidate;
    if (this.#publications + publications > publisherBounds.heldPublicationsMax || this.#bytes + bytes > publisherBounds.heldBytesMax) {
      this.#counts.full += publications;
      throw new BusUnavailable('too many publications are held', { trouble: 'full' });
    }
    this.#publications += publications;
    this.#bytes += bytes;
    try {
      const result = await new Promise<Result>((resolve, reject) => {
        const deadline = this.#clock.monotonic() + holdMs;
        const attempt = (): Promise<'settled' | 'again'> =>
          append().then(
            (value) => {
              resolve(value);
              return 'settled';
            },
            (error: unknown) => {
              if (mayWait(error, candidate) && this.#clock.monotonic() < deadline && !this.#isLeaving) return 'again';
              reject(error as Error);
              return 'settled';
            },
          );
        this.#enqueue(channel, { attempt, refuse: reject, deadline });
      });
      this.#counts.published += publications;
      return result;
    } catch (error) {
      this.#counts.refused += publications;
      throw error;
    } finally {
      this.#publications -= publications;
      this.#bytes -= bytes;
    }
  }

  #enqueue(channel: string, held: Held): void {
    let queue = this.#queues.get(channel);
    if (queue === undefined) this.#queues.set(channel, (queue = { waiting: [], isSending: false }));
    queue.waiting.push(held);
    this.#stopLooking ??= this.#clock.every(lookEveryMs, () => this.#look());
  }

  /** Refuses what has waited too long, and tries the others if the bus is up. */
  #look(): void {
    const now = this.#clock.monotonic();
    const isUp = this.#bus.state().up;
    for (const [channel, queue] of this.#queues) {
      const isOver = ({ deadline }: Held): boolean => deadline <= now;
      if (queue.waiting.some(isOver)) {
        const kept = queue.waiting.filter((held) => !isOver(held));
        this.#refuseAll(queue.waiting.splice(0).filter(isOver), 'the bus was away for longer than the publication may wait');
        queue.waiting.push(...kept);
      }
      if (!queue.isSending && queue.waiting.length === 0) this.#queues.delete(channel);
      else if (isUp && !queue.isSending) void this.#send(channel, queue);
    }
    if (this.#queues.size > 0) return;
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }

  /** Publishes in order: the first alone, as it may fail, and then the others together. */
  async #send(channel: string, queue: Queue): Promise<void> {
    queue.isSending = true;
    const { waiting } = queue;
    let together = waiting.splice(0, 1);
    while (together.length > 0) {
      const sent = together;
      const outcomes = await Promise.all(sent.map(({ attempt }) => attempt()));
      const again = sent.filter((_, index) => outcomes[index] === 'again');
      waiting.unshift(...again);
      together = again.length > 0 ? [] : waiting.splice(0);
    }
    queue.isSending = false;
    if (waiting.length === 0) this.#queues.delete(channel);
  }

  #refuseAll(held: readonly Held[], reason: string): void {
    for (const { refuse } of held) refuse(new BusUnavailable(reason));
  }
}

/** Whether publications failed because the bus is away, and can be sent again without being published twice. */
function mayWait(error: unknown, { isRepeatable }: Candidate): boolean {
  if (!(error instanceof BusUnavailable)) return false;
  if (error.mayBeDone && !isRepeatable) return false;
  return error.trouble === 'away' || error.trouble === 'late';
}
