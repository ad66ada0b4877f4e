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

/** An append that waits, and how it may be tried. */
interface Waiting<Result> {
  readonly append: () => Promise<Result>;
  /** Longest wait in milliseconds. */
  readonly waitMs: number;
  /** An attempt got no answer: it may have been published. */
  readonly mayBeDone: boolean;
}

interface Queue {
  readonly waiting: Held[];
  isSending: boolean;
}

/**
 * Publications that wait for the bus: those of channels whose policy lets them wait while it is away
 * (`limits.publishHoldMs`), and those with an idempotency key whose answer was lost, which are repeated until their
 * outcome is known. They keep their order within the channel. Only what was surely not published waits, or what has a
 * key: nothing is published twice. Their number, bytes and time are bounded.
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
    return (candidate.holdMs === 0 && !candidate.isRepeatable) || this.#isLeaving ? append() : this.#publishOrHold(candidate, append);
  }

  async #publishOrHold<Result>(candidate: Candidate, append: () => Promise<Result>): Promise<Result> {
    const { channel, holdMs } = candidate;
    if (holdMs > 0 && (this.#queues.has(channel) || !this.#bus.state().up))
      return await this.#hold(candidate, { append, waitMs: holdMs, mayBeDone: false });
    try {
      return await append();
    } catch (error) {
      const waitMs = waitMsOf(error, candidate);
      if (!(error instanceof BusUnavailable) || waitMs === 0) throw error;
      return await this.#hold(candidate, { append, waitMs, mayBeDone: error.mayBeDone });
    }
  }

  /** Refuses all that waits: this publisher ends. */
  leave(): void {
    this.#isLeaving = true;
    for (const { waiting } of this.#queues.values()) this.#refuseAll(waiting.splice(0), 'the publisher is leaving');
  }

  async #hold<Result>(candidate: Candidate, { append, waitMs, mayBeDone }: Waiting<Result>): Promise<Result> {
    const { channel, publications, bytes } = candidate;
    if (this.#publications + publications > publisherBounds.heldPublicationsMax || this.#bytes + bytes > publisherBounds.heldBytesMax) {
      this.#counts.full += publications;
      throw new BusUnavailable('too many publications are held', { trouble: 'full', mayBeDone });
    }
    this.#publications += publications;
    this.#bytes += bytes;
    let isDoubtful = mayBeDone;
    try {
      const result = await new Promise<Result>((resolve, reject) => {
        const deadline = this.#clock.monotonic() + waitMs;
        const attempt = (): Promise<'settled' | 'again'> =>
          append().then(
            (value) => {
              resolve(value);
              return 'settled';
            },
            (error: unknown) => {
              isDoubtful ||= error instanceof BusUnavailable && error.mayBeDone;
              if (waitMsOf(error, candidate) > 0 && this.#clock.monotonic() < deadline && !this.#isLeaving) return 'again';
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
      // The last attempt was not sent, but one before may have been published.
      throw error instanceof BusUnavailable && isDoubtful ? asDoubtful(error) : error;
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

/**
 * How long publications wait that failed because the bus is away, and that can be sent again without being published
 * twice; 0: not at all.
 */
function waitMsOf(error: unknown, { holdMs, isRepeatable }: Candidate): number {
  if (!(error instanceof BusUnavailable) || (error.trouble !== 'away' && error.trouble !== 'late')) return 0;
  if (!error.mayBeDone) return holdMs;
  return isRepeatable ? Math.max(holdMs, publisherBounds.repeatMsMax) : 0;
}

function asDoubtful({ message, trouble, answer }: BusUnavailable): BusUnavailable {
  return new BusUnavailable(message, { trouble, answer, mayBeDone: true });
}
