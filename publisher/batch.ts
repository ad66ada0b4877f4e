import { placeOf } from '../core/bus/append-result.ts';
import { BusUnavailable, KeysRefused } from '../core/bus/bus.ts';
import type { AppendKeys } from '../core/idempotency-key.ts';
import type { ChannelPolicy } from '../core/policy/policy.ts';
import type { Publication } from '../core/publication.ts';
import { sampledTraceparent } from '../core/traceparent.ts';
import { keysFault, policyFault, rateFault } from './admission.ts';
import { keyOfTarget, readBatch, type BatchRequest, type BatchTarget } from './batch-request.ts';
import { answerBody, keyRefusal, notPublished, refuse, type Outcome, type Refusal } from './errors.ts';
import type { PublishingParts, RequestTrace } from './mesh.ts';

/** What one channel of a request gets. */
interface Parcel {
  readonly channel: string;
  readonly targets: readonly BatchTarget[];
  /** The request's idempotency key. */
  readonly key: string | undefined;
  readonly traceparent: string | undefined;
}

/**
 * Carries out `POST /v1/publish`: many publications to many channels. What one channel gets is appended as a whole or
 * not at all. All channels' appends are under way at once, so they cost one round trip of each master.
 */
export class BatchPublishing {
  readonly #parts: PublishingParts;

  constructor(parts: PublishingParts) {
    this.#parts = parts;
  }

  /**
   * Carries out one request; never rejects. Publications reach the bus before this returns, so that one caller's keep
   * their order.
   * @param header the header `Idempotency-Key`
   */
  async run(fields: Readonly<Record<string, unknown>>, header: string | undefined, trace: RequestTrace): Promise<Outcome> {
    const { clock, metrics, log } = this.#parts;
    const startedAt = clock.monotonic();
    const read = readBatch(fields, header);
    const outcome = read.kind === 'refused' ? read : await this.#publish(read.value, trace);
    if (outcome.kind === 'refused') log.refused('publish', outcome);
    metrics.answered('publish', outcome, clock.monotonic() - startedAt);
    return outcome;
  }

  async #publish({ entries, byChannel, key }: BatchRequest, { span, traceparent }: RequestTrace): Promise<Outcome> {
    const { tracer, metrics, log } = this.#parts;
    // Gateways go on with the trace of the request: a batch has no span for each publication.
    const passedOn = tracer.isOn ? span?.traceparent : sampledTraceparent(traceparent);
    const outcomes = new Map<string, ReadonlyMap<number, Outcome>>();
    await Promise.all(
      Array.from(byChannel, async ([channel, targets]) => {
        const all = await this.#publishTo({ channel, targets, key, traceparent: passedOn });
        outcomes.set(channel, new Map(targets.map(({ index }, place) => [index, all[place]!])));
      }),
    );
    const results = entries.map(({ channels, isList }, index) => {
      const bodies = channels.map((channel) => {
        const outcome = outcomes.get(channel)!.get(index)!;
        metrics.published(outcome);
        if (outcome.kind === 'refused') log.refused('publish', outcome, { c: channel });
        return answerBody(outcome);
      });
      return isList ? bodies : bodies[0];
    });
    return { kind: 'done', result: { results } };
  }

  /** The outcomes of one channel's publications, in their order. */
  async #publishTo(parcel: Parcel): Promise<readonly Outcome[]> {
    const { channel, targets } = parcel;
    const policy = this.#parts.policies().of(channel);
    try {
      const faults = this.#faultsOf(parcel, policy);
      return faults ?? (await this.#append(parcel, policy));
    } catch (error) {
      if (error instanceof BusUnavailable) return targets.map(({ hasKey }) => notPublished(error, hasKey));
      if (error instanceof KeysRefused) {
        const refusal = keyRefusal(error);
        return error.reason === 'full'
          ? targets.map(() => refusal)
          : refusedWith(targets, (place) => (error.indexes.includes(place) ? refusal : undefined));
      }
      this.#parts.journal.write('request-failed', { operation: 'publish', err: error });
      return targets.map(() => refuse('internal', 'internal error; the publisher logged it'));
    }
  }

  #faultsOf({ channel, targets, key }: Parcel, policy: ChannelPolicy): readonly Outcome[] | undefined {
    const faults = targets.map(({ request }) => policyFault(policy, { ...request, channel }));
    if (faults.some((fault) => fault !== undefined)) return refusedWith(targets, (place) => faults[place]);
    const keyless = key === undefined ? undefined : keysFault(policy, channel);
    if (keyless !== undefined) return targets.map(() => keyless);
    const { publicationsPerSecond: perSecond } = policy.limits;
    if (perSecond === undefined) return undefined;
    const { rates, clock } = this.#parts;
    const fault = rateFault(rates, { channel, perSecond, count: targets.length, now: clock.monotonic() });
    return fault === undefined ? undefined : targets.map(() => fault);
  }

  async #append(
    { channel, targets, key, traceparent }: Parcel,
    { history, idempotency, limits: { publishHoldMs } }: ChannelPolicy,
  ): Promise<readonly Outcome[]> {
    const { bus, held, clock } = this.#parts;
    const acceptedAt = clock.wall();
    const { ready: s, full: f } = bus.calls.memberCounts(channel);
    const publications: readonly Publication[] = targets.map(({ request: { kind, payload, priority, ttlMs, conflation, user } }) => {
      const unnamed = { kind, payload, priority, acceptedAt, ttlMs, conflation, sender: undefined, traceparent };
      return user === undefined ? unnamed : { ...unnamed, user };
    });
    const keys: AppendKeys | undefined = targets.some(({ hasKey }) => hasKey)
      ? { windowSeconds: idempotency.windowSeconds, keys: publications.map((each, place) => keyOfTarget(targets[place]!, each, key)) }
      : undefined;
    const bytes = publications.reduce((sum, { payload }) => sum + payload.length, 0);
    const isRepeatable = targets.every(({ hasKey }) => hasKey);
    const candidate = { channel, publications: targets.length, bytes, holdMs: publishHoldMs, isRepeatable };
    const result = await held.publish(candidate, () => bus.log.append(channel, publications, history, keys));
    return targets.map((_, place) => {
      const { epoch, offset } = placeOf(result, place);
      return { kind: 'done', result: { s, f, offset, epoch, ...(result.known?.has(place) === true ? { replayed: true } : {}) } };
    });
  }
}

/** Refuses a channel's publications as a whole: those with a fault for it, the others because of them. */
function refusedWith(targets: readonly BatchTarget[], faultOf: (place: number) => Refusal | undefined): readonly Outcome[] {
  const first = targets.find((_, place) => faultOf(place) !== undefined)?.index ?? 0;
  const others = refuse('batchRefused', `not published: publications[${first}] for the same channel was refused`);
  return targets.map((_, place) => faultOf(place) ?? others);
}
