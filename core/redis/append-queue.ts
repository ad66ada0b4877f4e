import type { Clock } from '../clock.ts';
import { payloadBytesOf, checkAppend } from '../bus/append-bounds.ts';
import { BusUnavailable, type AppendResult } from '../bus/bus.ts';
import { withDeadline } from '../bus/deadline.ts';
import type { HistoryBounds } from '../history.ts';
import { limits } from '../limits.ts';
import type { Position, Publication } from '../publication.ts';
import { appendFailureOf, type AppendFailureReason, type AppendFailures } from './append-failures.ts';
import type { BusAccounts } from './bus-accounts.ts';
import { asUnavailable } from './connection.ts';

/** Longest time from `append` to its outcome, in milliseconds. */
const appendDeadlineMs = 2000;
/** Most payload bytes that wait in one process; above it publishing fails as temporarily unavailable. */
const waitingBytesMax = 64 * limits.appendBytesMax;

interface Append {
  readonly publications: readonly Publication[];
  readonly keep: HistoryBounds | undefined;
  readonly bytes: number;
  readonly since: number;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: BusUnavailable) => void;
}

type SendBatch = (channel: string, publications: readonly Publication[], keep: HistoryBounds | undefined) => Promise<Position>;

/** The reason that a batch was not appended. */
interface Failure {
  readonly reason: AppendFailureReason;
  readonly error: unknown;
}

/**
 * Sends one batch of a channel at a time. Later appends wait, and go together as the next batch. So a busy channel
 * costs one round trip per batch, and a quiet one is not delayed. One process's publications keep the order of its
 * calls.
 */
export class AppendQueue {
  readonly #send: SendBatch;
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #failures: AppendFailures;
  readonly #accounts: BusAccounts;
  /** Channels with a batch under way, and the appends that wait behind it. */
  readonly #waiting = new Map<string, Append[]>();
  #publications = 0;
  #bytes = 0;

  /** `send` resolves with the place of the batch's last publication. */
  constructor(options: {
    readonly send: SendBatch;
    readonly clock: Pick<Clock, 'monotonic' | 'after'>;
    readonly failures: AppendFailures;
    readonly accounts: BusAccounts;
  }) {
    this.#send = options.send;
    this.#clock = options.clock;
    this.#failures = options.failures;
    this.#accounts = options.accounts;
  }

  /** Publications that wait or are under way. */
  get size(): number {
    return this.#publications;
  }

  /** Payload bytes of these. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws BusUnavailable */
  async append(channel: string, publications: readonly Publication[], keep?: HistoryBounds): Promise<AppendResult> {
    checkAppend(publications);
    const bytes = payloadBytesOf(publications);
    if (this.#publications + publications.length > limits.appendWaitingMax || this.#bytes + bytes > waitingBytesMax) {
      const error = new BusUnavailable('too many publications wait for the bus', { trouble: 'full' });
      this.#failures.add(publications.length, 'full', error);
      throw error;
    }
    this.#publications += publications.length;
    this.#bytes += bytes;
    try {
      return await new Promise<AppendResult>((resolve, reject) => {
        const append = { publications, keep, bytes, since: this.#clock.monotonic(), resolve, reject };
        const waiting = this.#waiting.get(channel);
        if (waiting === undefined) void this.#run(channel, append);
        else waiting.push(append);
      });
    } finally {
      this.#publications -= publications.length;
      this.#bytes -= bytes;
    }
  }

  async #run(channel: string, first: Append): Promise<void> {
    let waiting: Append[] = [];
    this.#waiting.set(channel, waiting);
    let batch = [first];
    while (batch.length > 0) {
      const failure = await this.#sendBatch(channel, batch);
      if (failure !== undefined) {
        this.#fail(batch, failure);
        // Waiting appends fail together with the batch before them: they would miss their deadline. They were not sent.
        const { message, trouble, answer } = asUnavailable(failure.error);
        if (waiting.length > 0) this.#fail(waiting, { ...failure, error: new BusUnavailable(message, { trouble, answer }) });
        waiting = [];
        this.#waiting.set(channel, waiting);
      }
      batch = takeBatch(waiting);
    }
    this.#waiting.delete(channel);
  }

  #fail(appends: readonly Append[], { reason, error }: Failure): void {
    const publications = appends.reduce((sum, append) => sum + append.publications.length, 0);
    this.#failures.add(publications, reason, error);
    const unavailable = asUnavailable(error);
    for (const append of appends) append.reject(unavailable);
  }

  /** Sends a batch and settles it. On failure returns the reason, with nothing settled. */
  async #sendBatch(channel: string, batch: readonly Append[]): Promise<Failure | undefined> {
    const publications = batch.length === 1 ? batch[0]!.publications : batch.flatMap((append) => append.publications);
    const sentAt = this.#clock.monotonic();
    const remainingMs = Math.max(1, appendDeadlineMs - (sentAt - batch[0]!.since));
    try {
      const outcome = await withDeadline(this.#send(channel, publications, batch[0]!.keep), remainingMs, this.#clock);
      if (outcome.kind === 'late')
        return { reason: 'late', error: new BusUnavailable('the bus did not answer in time', { trouble: 'late', mayBeDone: true }) };
      const { epoch, offset } = outcome.value;
      const answeredAt = this.#clock.monotonic();
      this.#accounts.answered('append', answeredAt - sentAt);
      if (batch[0]!.keep !== undefined) this.#accounts.kept(batch.reduce((sum, append) => sum + append.bytes, 0));
      const sampled = publications.some(({ traceparent }) => traceparent !== undefined)
        ? { batch: { publications: publications.length, bytes: payloadBytesOf(publications), sentAt, answeredAt } }
        : undefined;
      let lastOffset = offset - publications.length;
      for (const append of batch) {
        const firstOffset = lastOffset + 1;
        lastOffset += append.publications.length;
        append.resolve({ epoch, firstOffset, lastOffset, ...sampled });
      }
      return undefined;
    } catch (error) {
      return { reason: appendFailureOf(error), error };
    }
  }
}

/** Takes appends from the front, as many as fit in one batch. */
function takeBatch(waiting: Append[]): Append[] {
  let count = 0;
  let publications = 0;
  let bytes = 0;
  for (const append of waiting) {
    // A batch is kept as a whole: the policy may have changed within it.
    if (append.keep !== waiting[0]?.keep) break;
    publications += append.publications.length;
    bytes += append.bytes;
    if (publications > limits.appendPublicationsMax || bytes > limits.appendBytesMax) break;
    count++;
  }
  return waiting.splice(0, count);
}
