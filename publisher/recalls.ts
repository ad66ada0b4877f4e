import { BusUnavailable, KeysRefused, type AppendResult } from '../core/bus/bus.ts';
import type { KeptPublication } from '../core/history.ts';
import { isInOrder } from '../core/history.ts';
import { idempotencyKey, type AppendKeys } from '../core/idempotency-key.ts';
import { limits } from '../core/limits.ts';
import type { ChannelPolicy } from '../core/policy/policy.ts';
import { isOrderOf, type Recall } from '../core/publication.ts';
import { tombstone } from '../core/recall.ts';
import { keysFault, rateFault } from './admission.ts';
import { publisherBounds } from './bounds.ts';
import { keyRefusal, notPublished, refuse, temporarilyUnavailable, type Outcome } from './errors.ts';
import { HistoryTurns, noTurn } from './history-turns.ts';
import type { PublishingParts } from './mesh.ts';
import { ChannelRates } from './rate.ts';
import { readRecallRequest, type RecallOperation, type RecallRequest, type RecallTarget } from './recall-request.ts';

/** A request by HTTP as it came. */
interface Asked {
  readonly path: string;
  readonly fields: unknown;
  /** The header `Idempotency-Key`. */
  readonly key: string | undefined;
}

/** A request with the policy that is in force for it. */
type Admitted = RecallRequest & { readonly policy: ChannelPolicy };

/** Carries out `POST /v1/channels/{channel}/recall` and `…/clear`: a recall is a tombstone in the channel's log. */
export class Recalls {
  readonly #parts: PublishingParts;
  readonly #turns: HistoryTurns;
  readonly #rates = new ChannelRates({ channelsMax: publisherBounds.rateChannelsMax });

  constructor(parts: PublishingParts) {
    this.#parts = parts;
    this.#turns = new HistoryTurns(parts.clock, publisherBounds.recallReadsMax);
  }

  /** Carries out one request; never rejects. */
  async run(operation: RecallOperation, asked: Asked): Promise<Outcome> {
    const { clock, metrics, log } = this.#parts;
    const startedAt = clock.monotonic();
    const read = readRecallRequest(asked.path, asked.fields, asked.key);
    const outcome = read.kind === 'fault' ? refuse('badArguments', read.message) : await this.#recall(operation, read.value);
    if (outcome.kind === 'refused') log.refused(operation, outcome, read.kind === 'fault' ? undefined : { c: read.value.channel });
    metrics.answered(operation, outcome, clock.monotonic() - startedAt);
    return outcome;
  }

  async #recall(operation: RecallOperation, request: RecallRequest): Promise<Outcome> {
    const { channel, target, idempotencyKey: key } = request;
    const policy = this.#parts.policies().of(channel);
    const keyless = key === undefined ? undefined : keysFault(policy, channel);
    if (keyless !== undefined) return keyless;
    const perSecond = publisherBounds.recallsPerSecondMax;
    const tooFast = rateFault(this.#rates, { channel, perSecond, count: 1, now: this.#parts.clock.monotonic() });
    if (tooFast !== undefined) return tooFast;
    try {
      if (target.kind === 'offsets') return await this.#byOffsets({ ...request, policy }, target);
      if (target.kind === 'user') return await this.#byUser({ ...request, policy }, target.user);
      const { epoch, firstOffset, known } = await this.#append({ ...request, policy }, { kind: 'all' });
      return { kind: 'done', result: { epoch, offset: firstOffset, ...(known === undefined ? {} : { replayed: true }) } };
    } catch (error) {
      if (error instanceof KeysRefused) return keyRefusal(error);
      // A repetition of a recall recalls nothing else; one of a clear does, unless it has a key.
      if (error instanceof BusUnavailable) return notPublished(error, target.kind !== 'all' || key !== undefined);
      this.#parts.journal.write('request-failed', { operation, err: error });
      return refuse('internal', 'internal error; the publisher logged it');
    }
  }

  async #byOffsets(request: Admitted, { epoch, offsets }: RecallTarget & { readonly kind: 'offsets' }): Promise<Outcome> {
    const { channel } = request;
    for (let attempt = 1; ; attempt++) {
      const page = await this.#parts.bus.log.history(channel, { kind: 'newest', limit: 1 });
      const { position, earlier } = page;
      const last = offsets.at(-1) ?? 0;
      if (!isInOrder(page, { epoch, offset: Math.min(last, position.offset) })) return wrongEpoch(channel, epoch, page);
      if (last > position.offset)
        return refuse('badArguments', `offsets: ${last} is above the newest, ${position.offset}: it was not published yet`);
      const result = await this.#append(request, { kind: 'offsets', offsets });
      const isSame = isOrderOf(position, result.epoch) || earlier?.epoch === result.epoch;
      // A failover came between: its log may lack some of them, and have others at their offsets.
      if (!isSame && attempt < attemptsMax) continue;
      const replayed = result.known === undefined ? {} : { replayed: true };
      return { kind: 'done', result: { epoch: result.epoch, offset: result.firstOffset, recalled: offsets.length, ...replayed } };
    }
  }

  /**
   * Reads the history, appends tombstones, and reads on from there until nothing new is there: what the user publishes
   * meanwhile is recalled too, for some rounds.
   */
  async #byUser(request: Admitted, user: string): Promise<Outcome> {
    const { channel, policy } = request;
    if (policy.history === undefined)
      return refuse(
        'noHistory',
        `channel "${channel}" keeps no history, which alone knows who wrote what: set history in the policy for ${policy.channel}, or name offsets`,
      );
    const end = await this.#turns.take();
    if (end === undefined) return noTurn();
    try {
      const found = new UserSearch(user);
      let last: AppendResult | undefined;
      let recalled = 0;
      for (let round = 1; round <= roundsMax; round++) {
        await this.#search(channel, found);
        const offsets = found.take();
        if (offsets.length === 0) break;
        for (let at = 0; at < offsets.length; at += limits.recallOffsetsMax) {
          // A key would stand for the first of several tombstones; repeating them recalls nothing else.
          const part = offsets.slice(at, at + limits.recallOffsetsMax);
          last = await this.#append({ ...request, idempotencyKey: undefined }, { kind: 'offsets', offsets: part });
          recalled += part.length;
        }
      }
      const place = last === undefined ? found.position : { epoch: last.epoch, offset: last.lastOffset };
      return { kind: 'done', result: { ...place, recalled } };
    } catch (error) {
      if (error instanceof BusUnavailable && !error.mayBeDone) return temporarilyUnavailable(error);
      throw error;
    } finally {
      end();
    }
  }

  /** Reads from where the last search ended to the end of the log. */
  async #search(channel: string, found: UserSearch): Promise<void> {
    for (;;) {
      const limit = limits.historyPublicationsMax;
      const page = await this.#parts.bus.log.history(channel, { kind: 'after', offset: found.readUpto, limit });
      found.read(page.publications, page.position);
      if (page.publications.length === 0 || found.readUpto >= page.position.offset) return;
    }
  }

  #append({ channel, policy, target, idempotencyKey: key }: Admitted, recall: Recall): Promise<AppendResult> {
    const { bus, held, clock } = this.#parts;
    const publication = tombstone(recall, clock.wall());
    // Of a repetition the request is the same, and that counts.
    const asked = { ...publication, payload: Buffer.from(JSON.stringify(target)) };
    const { windowSeconds } = policy.idempotency;
    const keys: AppendKeys | undefined = key === undefined ? undefined : { windowSeconds, keys: [idempotencyKey('backend', key, asked)] };
    const isRepeatable = target.kind !== 'all' || keys !== undefined;
    const candidate = { channel, publications: 1, bytes: publication.payload.length, holdMs: policy.limits.publishHoldMs, isRepeatable };
    return held.publish(candidate, () => bus.log.append(channel, [publication], policy.history, keys));
  }
}

/** Most attempts of a recall between which the log fails over. */
const attemptsMax = 3;
/** Most rounds of reading and recalling for a user who goes on publishing. */
const roundsMax = 10;

/** What one user wrote in a channel's history. */
class UserSearch {
  readonly #user: string;
  #offsets: number[] = [];
  /** Offset up to which the history was read. */
  readUpto = 0;
  /** End of the log at the last reading. */
  position: { readonly epoch: string; readonly offset: number } = { epoch: '', offset: 0 };

  constructor(user: string) {
    this.#user = user;
  }

  read(publications: readonly KeptPublication[], position: { readonly epoch: string; readonly offset: number }): void {
    this.position = position;
    for (const { offset, publication } of publications) if (publication.user === this.#user) this.#offsets.push(offset);
    this.readUpto = publications.at(-1)?.offset ?? this.readUpto;
  }

  /** The offsets that were found since the last call. */
  take(): readonly number[] {
    const offsets = this.#offsets;
    this.#offsets = [];
    return offsets;
  }
}

function wrongEpoch(
  channel: string,
  epoch: string,
  {
    position,
    earlier,
  }: {
    readonly position: { readonly epoch: string; readonly offset: number };
    readonly earlier?: { readonly epoch: string; readonly offset: number };
  },
): Outcome {
  const rest = earlier?.epoch === epoch ? `; of "${epoch}" only the offsets up to ${earlier.offset} are still known` : '';
  if (position.offset === 0)
    return refuse('epochChanged', `epoch: channel "${channel}" has no publications now${rest}. There is nothing to recall`);
  const order = `epoch: the order of channel "${channel}" is "${position.epoch}" now`;
  return refuse('epochChanged', `${order}, where other publications have these offsets${rest}. Read its history, and name today's offsets`);
}
