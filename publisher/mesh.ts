import { gatewayNumberMax, gatewayNumberOf, parseClientId } from '../core/client-id.ts';
import { placeOf } from '../core/bus/append-result.ts';
import { BusUnavailable, KeysRefused, type Bus, type CallResult, type GatewayReply, type GatewayRequest } from '../core/bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import { idempotencyKey, type AppendKeys } from '../core/idempotency-key.ts';
import type { Policies } from '../core/policy/policy.ts';
import type { Position, Publication } from '../core/publication.ts';
import { appendTraced } from '../core/bus/traced-append.ts';
import type { Span, Tracer } from '../core/trace.ts';
import { sampledTraceparent } from '../core/traceparent.ts';
import { policyFault, rateFault } from './admission.ts';
import { publisherBounds } from './bounds.ts';
import { keyRefusal, notPublished, refuse, temporarilyUnavailable, type Outcome, type RefusalReason } from './errors.ts';
import type { HeldPublications } from './held-publications.ts';
import type { PublisherJournal } from './log-lines.ts';
import type { PublisherMetrics } from './metrics.ts';
import type { MeshOperation } from './operation-seconds.ts';
import type { ChannelRates } from './rate.ts';
import type { RequestLog } from './request-log.ts';
import { shown } from '../core/issue-words.ts';
import { parseConnectionCall, parsePublish, parseSend } from './request.ts';

/** What takes publications by HTTP and WebSocket needs, one at a time or many in one request. */
export interface PublishingParts {
  readonly bus: Bus;
  readonly held: HeldPublications;
  readonly policies: () => Policies;
  readonly rates: ChannelRates;
  readonly metrics: PublisherMetrics;
  readonly journal: PublisherJournal;
  readonly log: RequestLog;
  readonly clock: Clock;
  readonly tracer: Pick<Tracer, 'isOn'>;
}

/** The trace of one request. */
export interface RequestTrace {
  /** The request's span; `undefined`: not sampled. */
  readonly span?: Span | undefined;
  /** The sender's `traceparent`, which a publisher without traces passes on. */
  readonly traceparent?: string | undefined;
}

const untraced: RequestTrace = {};

/** Carries out the requests of both transports: `mesh.publish`, `mesh.send` and `conn.call`. */
export class Mesh {
  readonly #bus: Bus;
  readonly #held: HeldPublications;
  readonly #policies: () => Policies;
  readonly #metrics: PublisherMetrics;
  readonly #journal: PublisherJournal;
  readonly #log: RequestLog;
  readonly #clock: Clock;
  readonly #tracer: Pick<Tracer, 'isOn'>;
  readonly #rates: ChannelRates;

  constructor(parts: PublishingParts) {
    this.#bus = parts.bus;
    this.#rates = parts.rates;
    this.#held = parts.held;
    this.#policies = parts.policies;
    this.#metrics = parts.metrics;
    this.#journal = parts.journal;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#tracer = parts.tracer;
  }

  /**
   * Carries out one request; never rejects. A publication reaches the bus before this returns, so that one caller's
   * publications keep their order.
   */
  async run(operation: MeshOperation, fields: unknown, trace: RequestTrace = untraced): Promise<Outcome> {
    const startedAt = this.#clock.monotonic();
    let outcome: Outcome;
    try {
      outcome = await this.#carryOut(operation, fields, trace);
    } catch (error) {
      outcome = this.#failure(operation, error, fields);
    }
    if (outcome.kind === 'refused') this.#log.refused(operation, outcome, fields);
    this.#metrics.answered(operation, outcome, this.#clock.monotonic() - startedAt);
    return outcome;
  }

  #carryOut(operation: MeshOperation, fields: unknown, trace: RequestTrace): Promise<Outcome> {
    switch (operation) {
      case 'mesh.publish':
        return this.#publish(fields, trace);
      case 'mesh.send':
        return this.#send(fields);
      case 'conn.call':
        return this.#call(fields);
    }
  }

  async #publish(fields: unknown, { span, traceparent }: RequestTrace): Promise<Outcome> {
    const read = parsePublish(fields);
    if (read.kind === 'fault') return refuse('badArguments', read.message);
    const request = read.value;
    const { channel, kind, payload, priority, ttlMs, conflation, user } = request;
    const policy = this.#policies().of(channel);
    const { history, idempotency } = policy;
    span?.set({ 'barrage.policy': policy.channel, 'barrage.payload.bytes': payload.length, 'barrage.priority': priority });
    const fault = policyFault(policy, request);
    if (fault !== undefined) return fault;
    const acceptedAt = this.#clock.wall();
    const { publicationsPerSecond: perSecond } = policy.limits;
    if (perSecond !== undefined) {
      const tooFast = rateFault(this.#rates, { channel, perSecond, count: 1, now: this.#clock.monotonic() });
      if (tooFast !== undefined) return tooFast;
    }
    const members = this.#bus.calls.memberCounts(channel);
    span?.set({ 'barrage.members': members.ready + members.full });
    const passedOn = this.#tracer.isOn ? undefined : sampledTraceparent(traceparent);
    const unnamed = { kind, payload, priority, acceptedAt, ttlMs, conflation, sender: undefined, traceparent: passedOn };
    const publication = user === undefined ? unnamed : { ...unnamed, user };
    const keys = keysOf(publication, request.idempotencyKey, idempotency);
    const isRepeatable = keys !== undefined;
    const candidate = { channel, publications: 1, bytes: payload.length, holdMs: policy.limits.publishHoldMs, isRepeatable };
    const append = () => appendTraced(this.#bus.log, { channel, publication, keep: history, keys }, span);
    const appended = await this.#held.publish(candidate, append);
    const { epoch, offset } = placeOf(appended, 0);
    const replayed = appended.known === undefined ? undefined : { replayed: true };
    if (request.waitMs === undefined) return { kind: 'done', result: { s: members.ready, f: members.full, offset, epoch, ...replayed } };
    const wait = span?.child('wait');
    const delivered = await this.#delivered(channel, { epoch, offset }, request.waitMs);
    wait?.set({ 'barrage.wait.unanswered': delivered.unanswered.length });
    wait?.end();
    return { kind: 'done', result: { ...delivered, offset, epoch, ...replayed } };
  }

  /**
   * Every gateway's result for an accepted publication. When the bus goes away meanwhile, the gateways count as
   * unanswered. A refusal would make the caller publish a second time.
   */
  async #delivered(channel: string, position: Position, waitMs: number): Promise<DeliveredCounts> {
    try {
      const { replies, unanswered } = await this.#bus.calls.callAll({ method: 'delivered', channel, ...position }, waitMs);
      return sumDelivered(replies, unanswered);
    } catch (error) {
      if (!(error instanceof BusUnavailable)) throw error;
      return sumDelivered([], ['every gateway: the bus is unavailable']);
    }
  }

  async #send(fields: unknown): Promise<Outcome> {
    const read = parseSend(fields);
    if (read.kind === 'fault') return refuse('badArguments', read.message);
    const { client, kind, payload } = read.value;
    if (payload.length > publisherBounds.directBytesMax)
      return refuse('tooLarge', `d: ${payload.length} bytes are more than the ${publisherBounds.directBytesMax} that one client takes`);
    return await this.#ask(client, 'sendFailed', (id) => ({ method: 'send', client: id, kind, payload: payload.toString('base64') }));
  }

  async #call(fields: unknown): Promise<Outcome> {
    const read = parseConnectionCall(fields);
    if (read.kind === 'fault') return refuse('badArguments', read.message);
    const { client, call } = read.value;
    return await this.#ask(client, 'callFailed', (id) => ({ method: 'call', client: id, call }));
  }

  /** Calls the gateway of one client. A client that can't be reached is a refusal for `reason`. */
  async #ask(client: string | number, reason: RefusalReason, requestFor: (id: number) => GatewayRequest): Promise<Outcome> {
    // A larger number lost digits when it was parsed: the message could not repeat it as sent.
    if (typeof client === 'number' && !Number.isSafeInteger(client))
      return refuse(reason, 'the number is not a client id, which is whole and below 2^53: nobody was reached');
    const id = parseClientId(client);
    const gateway = id === undefined ? 0 : gatewayNumberOf(id);
    if (id === undefined || gateway < 1 || gateway > gatewayNumberMax)
      return refuse(reason, `${shown(String(client))} is not a client id: nobody was reached`);
    const result = await this.#bus.calls.call(gateway, requestFor(id), publisherBounds.callDeadlineMs);
    if (result.kind === 'unanswered' && !this.#bus.state().up) return temporarilyUnavailable(busIsAway);
    const fault = faultOf(result, id);
    return fault === undefined ? { kind: 'done', result: { s: true } } : refuse(reason, fault);
  }

  #failure(operation: MeshOperation, error: unknown, fields: unknown): Outcome {
    if (error instanceof KeysRefused) return keyRefusal(error);
    if (error instanceof BusUnavailable)
      return operation === 'mesh.publish' ? notPublished(error, hasKey(fields)) : temporarilyUnavailable(error);
    this.#journal.write('request-failed', { operation, err: error });
    return refuse('internal', 'internal error; the publisher logged it');
  }
}

const busIsAway = new BusUnavailable('the bus is away');

/** The key of one publication, as `append` takes it. */
function keysOf(
  publication: Publication,
  key: string | undefined,
  { windowSeconds }: { readonly windowSeconds: number },
): AppendKeys | undefined {
  return key === undefined ? undefined : { windowSeconds, keys: [idempotencyKey('backend', key, publication)] };
}

/** Whether a request that was read has an idempotency key. */
function hasKey(fields: unknown): boolean {
  return typeof fields === 'object' && fields !== null && Object.hasOwn(fields, 'idempotencyKey');
}

function faultOf(result: CallResult, client: number): string | undefined {
  if (result.kind === 'unanswered')
    return `the gateway of client ${client} did not answer within ${publisherBounds.callDeadlineMs} ms, or is gone`;
  if (result.reply.kind === 'failed') return result.reply.reason;
  return undefined;
}

interface DeliveredCounts {
  readonly s: number;
  readonly f: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly pending: number;
  readonly unanswered: readonly string[];
}

/**
 * Adds up the gateways' replies about one publication: members that it reached, and members that it did not, by reason.
 */
function sumDelivered(replies: readonly GatewayReply[], unanswered: readonly string[]): DeliveredCounts {
  const dropped = new Map<string, number>();
  const silent = [...unanswered];
  let delivered = 0;
  let pending = 0;
  for (const reply of replies) {
    if (reply.kind === 'delivered') {
      delivered += reply.delivered;
      pending += reply.pending;
      for (const [reason, count] of Object.entries(reply.dropped)) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
    } else {
      silent.push(reply.kind === 'failed' ? `a gateway: ${reply.reason}` : 'a gateway: a reply of another kind');
    }
  }
  const f = [...dropped.values()].reduce((sum, count) => sum + count, 0);
  return { s: delivered, f, dropped: Object.fromEntries(dropped), pending, unanswered: silent };
}
