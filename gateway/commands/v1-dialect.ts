import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import type { Command, SubscribeResult } from '../../core/protocol/barrage-v1.ts';
import type { Publication } from '../../core/publication.ts';
import type { AppendResult } from '../../core/bus/bus.ts';
import { mayJoin, mayPublish } from '../identity/channel-access.ts';
import type { Connection } from '../connections/connection.ts';
import { endOf, identify, leaveRoom } from '../connections/standing.ts';
import type { AuthResult } from '../identity/identity.ts';
import { rateOf } from '../merging/density.ts';
import { accessFailure, failure, joinFailure, type Outcome } from './outcome.ts';
import type { Dialect, SessionSurroundings } from './session.ts';
import { parseCommand } from './v1-command.ts';

type Of<Op extends Command['op']> = Extract<Command, { op: Op }>;

const unconfirmed = failure(
  'unavailable',
  'the bus did not answer: it may have been published. Try again if twice is better than not at all',
  true,
);
const unconfirmedOnce = failure('unavailable', 'the bus did not answer: try again with the same idempotencyKey', true);
const keyRefusals = {
  keys_off: failure('bad_request', "idempotencyKey: this channel's policy remembers none"),
  key_reused: failure('bad_request', 'idempotencyKey: it was used for another publication; give each publication a key of its own'),
  keys_full: failure('too_many_requests', 'idempotencyKey: this channel remembers as many keys as it may: try again later', true),
} as const;

/**
 * The protocol barrage.v1. Every command gets a result or an error with its id. A frame that is no command closes the
 * connection.
 */
export class V1Dialect implements Dialect {
  readonly #connection: Connection;
  readonly #surroundings: SessionSurroundings;

  constructor(connection: Connection, surroundings: SessionSurroundings) {
    this.#connection = connection;
    this.#surroundings = surroundings;
  }

  refuse(text: string): void {
    const parsed = parseCommand(text);
    if (parsed.kind === 'garbage') return this.#bad(parsed.reason);
    const id = parsed.kind === 'command' ? parsed.command.id : parsed.id;
    this.#reply(id, failure('too_many_requests', 'too many commands: slow down', true));
  }

  async execute(text: string): Promise<void> {
    const parsed = parseCommand(text);
    if (parsed.kind === 'garbage') return this.#bad(parsed.reason);
    if (parsed.kind === 'error') {
      this.#surroundings.metrics.commands.inc({ result: 'refused' });
      return this.#reply(parsed.id, { error: parsed.error });
    }
    const outcome = await this.#carryOut(parsed.command);
    this.#surroundings.metrics.commands.inc({ result: 'error' in outcome ? 'refused' : 'done' });
    this.#reply(parsed.command.id, outcome);
  }

  async #carryOut(command: Command): Promise<Outcome> {
    switch (command.op) {
      case 'auth':
        return this.#authenticate(command);
      case 'subscribe':
        return this.#subscribe(command);
      case 'unsubscribe':
        return this.#unsubscribe(command);
      case 'density':
        return this.#changeDensity(command);
      case 'publish':
        return this.#publish(command);
      case 'counts':
        return this.#counts(command);
      case 'ping':
        return { result: { now: this.#surroundings.clock.wall() } };
    }
  }

  async #authenticate({ token }: Of<'auth'>): Promise<Outcome> {
    const result = await this.#surroundings.authenticate(token);
    if (result.kind !== 'user') this.#surroundings.rooms.clients?.tokenRefused(this.#connection, result);
    switch (result.kind) {
      case 'user':
        return { result: this.#identify(result) };
      case 'refused':
        return failure('not_authenticated', result.reason);
      case 'late':
        return failure('unavailable', 'the auth service could not say whose this token is: try again', true);
    }
  }

  #identify({ uid, lastsMs }: Extract<AuthResult, { kind: 'user' }>): Readonly<Record<string, unknown>> {
    const { rooms, clock } = this.#surroundings;
    identify(this.#connection, { uid, ...endOf(lastsMs, clock) }, rooms);
    return lastsMs === undefined ? { uid } : { uid, expiresInMs: Math.floor(lastsMs) };
  }

  async #subscribe({ channel, density, since, rewind }: Of<'subscribe'>): Promise<Outcome> {
    const { rooms } = this.#surroundings;
    const joined = await rooms.join(this.#connection, { channel, by: 'client', density, since, rewind });
    if (joined.kind === 'already') return failure('already_subscribed', 'this connection is subscribed to that channel');
    if (joined.kind === 'refused') return joinFailure(joined.reason);
    const { position, recovered, member } = joined;
    const given = rateOf(member.memberClass.density, member.room.policy);
    const result: SubscribeResult = {
      ...position,
      ...(since === undefined ? {} : { recovered }),
      ...(given === undefined ? {} : { density: given }),
    };
    return { result: { ...result } };
  }

  #unsubscribe({ channel }: Of<'unsubscribe'>): Outcome {
    const member = this.#connection.memberOf(channel);
    if (member === undefined) return failure('not_subscribed', 'this connection is not subscribed to that channel');
    leaveRoom(member, this.#surroundings.rooms);
    return { result: {} };
  }

  #changeDensity({ channel, density }: Of<'density'>): Outcome {
    const member = this.#connection.memberOf(channel);
    if (member === undefined) return failure('not_subscribed', 'subscribe to that channel first');
    this.#surroundings.rooms.changeDensity(member, density);
    const given = rateOf(member.memberClass.density, member.room.policy);
    return { result: given === undefined ? {} : { density: given } };
  }

  async #publish(command: Of<'publish'>): Promise<Outcome> {
    const { rooms, publishing, clock, tracer } = this.#surroundings;
    const { channel } = command;
    const policy = rooms.policies.of(channel);
    const access = mayPublish(policy, this.#connection.uid);
    if (access !== 'allowed') return accessFailure(access, 'publish');
    const { uid } = this.#connection;
    const publication = readPublication(command, { sender: this.#connection.id, uid, now: clock.wall() });
    if (publication === undefined) return failure('bad_request', 'data: not base64, though kind is binary');
    if (publication.payload.length > policy.limits.payloadBytesMax) {
      return failure(
        'payload_too_large',
        `data has ${publication.payload.length} bytes; this channel takes ${policy.limits.payloadBytesMax}`,
      );
    }
    const author = this.#connection.uid === undefined ? `client ${this.#connection.id}` : `user ${this.#connection.uid}`;
    const span = tracer?.request('client publish', 'client', command.traceparent);
    const published = await publishing.publish({
      channel,
      author,
      idempotencyKey: command.idempotencyKey,
      policy,
      publication,
      now: clock.monotonic(),
      span,
    });
    span?.set({
      'barrage.policy': policy.channel,
      'barrage.payload.bytes': publication.payload.length,
      'barrage.result': published.kind === 'published' ? 'done' : published.kind,
    });
    span?.end(published.kind === 'unavailable' ? { fault: published.kind } : {});
    switch (published.kind) {
      case 'published':
        return { result: placeIn(published.result) };
      case 'slow_mode':
        rooms.clients?.limited(this.#connection, 'slow mode', channel);
        return failure('too_many_requests', `slow mode: wait ${Math.ceil(published.waitMs / 1000)} s`, true);
      case 'channel_rate':
        rooms.clients?.limited(this.#connection, 'the rate of the channel', channel);
        return failure('too_many_requests', 'this channel is at its rate: try again in a second', true);
      case 'keys_off':
      case 'key_reused':
      case 'keys_full':
        return keyRefusals[published.kind];
      case 'unavailable':
        if (!published.mayBeDone) return joinFailure('bus');
        return command.idempotencyKey === undefined ? unconfirmed : unconfirmedOnce;
    }
  }

  async #counts({ channel }: Of<'counts'>): Promise<Outcome> {
    const { rooms, countMembers } = this.#surroundings;
    const policy = rooms.policies.of(channel);
    const access = mayJoin(policy, channel, this.#connection.uid);
    if (access !== 'allowed') return accessFailure(access, 'count');
    if (policy.presence === 'Off') return failure('forbidden', 'this channel does not tell how many are watching');
    const count = await countMembers(channel);
    return count.kind === 'members'
      ? { result: { members: count.members } }
      : failure('unavailable', 'not every gateway has reported its members: try again', true);
  }

  #reply(id: number, outcome: Outcome): void {
    this.#connection.tell({ type: 'reply', id, ...outcome });
  }

  #bad(reason: string): void {
    this.#surroundings.metrics.commands.inc({ result: 'bad' });
    this.#connection.close(closeBecause(closeCodes.badCommand, reason));
  }
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The result of a command: where the publication is, and whether it was there before. */
function placeIn({ epoch, firstOffset: offset, known }: AppendResult): Readonly<Record<string, unknown>> {
  return known === undefined ? { epoch, offset } : { epoch, offset, replayed: true };
}

function readPublication(
  command: Of<'publish'>,
  { sender, uid, now }: { readonly sender: number; readonly uid: string | undefined; readonly now: number },
): Publication | undefined {
  const { kind = 'text', data, conflateKey, conflate = 'Latest', count = 1 } = command;
  if (kind === 'binary' && !base64.test(data)) return undefined;
  return {
    kind,
    payload: Buffer.from(data, kind === 'binary' ? 'base64' : 'utf8'),
    // A client can't push others aside: only backends give priorities.
    priority: 'normal',
    acceptedAt: now,
    ttlMs: command.ttlMs ?? 0,
    conflation: conflateKey === undefined ? undefined : { key: conflateKey, mode: conflate, count },
    sender,
    traceparent: undefined,
    // A longer one has no channel of its own either.
    ...(uid === undefined || Buffer.byteLength(uid) > limits.userBytesMax ? {} : { user: uid }),
  };
}
