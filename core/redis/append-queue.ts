import type { Clock } from '../clock.ts';
import { payloadBytesOf, checkAppend } from '../bus/append-bounds.ts';
import { BusUnavailable, KeysRefused, type AppendResult } from '../bus/bus.ts';
import { withDeadline } from '../bus/deadline.ts';
import type { HistoryBounds } from '../history.ts';
import type { AppendKeys } from '../idempotency-key.ts';
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
  readonly keys: AppendKeys | undefined;
  readonly bytes: number;
  readonly since: number;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: BusUnavailable | KeysRefused) => void;
}

/** Appends of one channel that go together. */
export interface Batch {
  readonly channel: string;
  readonly appends: readonly { readonly publications: readonly Publication[]; readonly keys: AppendKeys | undefined }[];
  /** Those of all appends. */
  readonly publications: readonly Publication[];
  readonly keep: HistoryBounds | undefined;
  /** What holds for all keys; `undefined`: no publication has a key. */
  readonly keys: Omit<AppendKeys, 'keys'> | undefined;
}

/** What became of a batch: the place of its last publication, or a result for each append of a batch with keys. */
export type SentBatch =
  | ({ readonly kind: 'appended' } & Position)
  | { readonly kind: 'keyed'; readonly results: readonly (AppendResult | KeysRefused)[] };

type SendBatch = (batch: Batch) => Promise<SentBatch>;

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

  /** @throws BusUnavailable, KeysRefused */
  async append(channel: string, publications: readonly Publication[], keep?: HistoryBounds, keys?: AppendKeys): Promise<AppendResult> {
    checkAppend(publications, keys);
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
        const append = { publications, keep, keys, bytes, since: this.#clock.monotonic(), resolve, reject };
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
    const keys = batch.find((append) => append.keys !== undefined)?.keys;
    const sentAt = this.#clock.monotonic();
    const remainingMs = Math.max(1, appendDeadlineMs - (sentAt - batch[0]!.since));
    try {
      const sending = this.#send({ channel, appends: batch, publications, keep: batch[0]!.keep, keys });
      const outcome = await withDeadline(sending, remainingMs, this.#clock);
      if (outcome.kind === 'late')
        return { reason: 'late', error: new BusUnavailable('the bus did not answer in time', { trouble: 'late', mayBeDone: true }) };
      const answeredAt = this.#clock.monotonic();
      this.#accounts.answered('append', answeredAt - sentAt);
      const results = outcome.value.kind === 'keyed' ? outcome.value.results : undefined;
      if (batch[0]!.keep !== undefined) this.#accounts.kept(addedBytesOf(batch, results));
      const sampled = publications.some(({ traceparent }) => traceparent !== undefined)
        ? { batch: { publications: publications.length, bytes: payloadBytesOf(publications), sentAt, answeredAt } }
        : undefined;
      if (outcome.value.kind === 'keyed') settle(batch, outcome.value.results, sampled);
      else settleInOrder(batch, outcome.value, sampled);
      return undefined;
    } catch (error) {
      return { reason: appendFailureOf(error), error };
    }
  }
}

/** Payload bytes of a batch without what was refused or known. */
function addedBytesOf(batch: readonly Append[], results: readonly (AppendResult | KeysRefused)[] | undefined): number {
  let bytes = 0;
  for (const [index, append] of batch.entries()) {
    const result = results?.[index];
    if (result instanceof KeysRefused) continue;
    const known = result?.known;
    bytes += known === undefined ? append.bytes : payloadBytesOf(append.publications.filter((_, place) => !known.has(place)));
  }
  return bytes;
}

type Sampled = Pick<AppendResult, 'batch'> | undefined;

/** Gives each append its part of consecutive offsets, of which `last` is the last. */
function settleInOrder(batch: readonly Append[], last: Position, sampled: Sampled): void {
  let lastOffset = last.offset - batch.reduce((sum, { publications }) => sum + publications.length, 0);
  for (const append of batch) {
    const firstOffset = lastOffset + 1;
    lastOffset += append.publications.length;
    append.resolve({ epoch: last.epoch, firstOffset, lastOffset, ...sampled });
  }
}

function settle(batch: readonly Append[], results: readonly (AppendResult | KeysRefused)[], sampled: Sampled): void {
  for (const [index, append] of batch.entries()) {
    const result = results[index]!;
    if (result instanceof KeysRefused) append.reject(result);
    else append.resolve({ ...result, ...sampled });
  }
}

/** Takes appends from the front, as many as fit in one batch. */
function takeBatch(waiting: Append[]): Append[] {
  let count = 0;
  let publications = 0;
  let bytes = 0;
  let keys: BatchKeys | undefined;
  for (const append of waiting) {
    // A batch is kept as a whole: the policy may have changed within it.
    if (append.keep !== waiting[0]?.keep) break;
    // A tombstone goes alone.
    if (count > 0 && (append.publications[0]?.recall ?? waiting[0]?.publications[0]?.recall) !== undefined) break;
    publications += append.publications.length;
    bytes += append.bytes;
    if (publications > limits.appendPublicationsMax || bytes > limits.appendBytesMax) break;
    if (append.keys !== undefined && !(keys ??= new BatchKeys()).take(append.keys)) break;
    count++;
  }
  return waiting.splice(0, count);
}

/** Keys of one batch. They have one window and bound, and none stands twice: the second would not find the first. */
class BatchKeys {
  #first: AppendKeys | undefined;
  readonly #ids = new Set<string>();

  /** Takes the keys of an append, or none if they don't go with the others. */
  take(append: AppendKeys): boolean {
    this.#first ??= append;
    const { windowSeconds, keysMax, keys } = append;
    if (this.#first.windowSeconds !== windowSeconds || this.#first.keysMax !== keysMax) return false;
    if (keys.some((key) => key !== undefined && this.#ids.has(key.id))) return false;
    for (const key of keys) if (key !== undefined) this.#ids.add(key.id);
    return true;
  }
}
