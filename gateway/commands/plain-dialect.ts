import { userChannel } from '../../core/channel.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import type { Connection } from '../connections/connection.ts';
import { endOf, identify, leaveRoom } from '../connections/standing.ts';
import type { JoinResult } from '../rooms/joining.ts';
import { parsePlainCommand, type PlainCommand } from './plain-command.ts';
import type { Dialect, SessionSurroundings } from './session.ts';

const done = '{"result":true}';

function fault(message: string): string {
  return JSON.stringify({ code: 1, msg: message });
}

const refusals: Readonly<Record<Extract<JoinResult, { kind: 'refused' }>['reason'], string>> = {
  subscriptions: 'Too many subscriptions',
  rooms: 'Too many channels on this gateway, try again later',
  connection_rate: 'Too many new channels, try again in a second',
  gateway_rate: 'Too many new channels on this gateway, try again in a second',
  members: 'This channel is full',
  bus: 'Temporarily unavailable, try again',
  closed: 'Closed',
  not_authenticated: 'Not Auth',
  forbidden: 'Forbidden',
};

/**
 * The plain protocol: CONNMIX's published examples with `subscribe`, `unsubscribe` and `auth`. A frame that is no
 * command closes the connection. An unknown op with a well-formed channel is answered like a success, as the published
 * scripts do. So are a second subscribe, and an unsubscribe of no subscription.
 * @see CONNMIX "video barrage", "user message centre"
 */
export class PlainDialect implements Dialect {
  readonly #connection: Connection;
  readonly #surroundings: SessionSurroundings;

  constructor(connection: Connection, surroundings: SessionSurroundings) {
    this.#connection = connection;
    this.#surroundings = surroundings;
  }

  refuse(): void {
    this.#connection.sendText(fault('Too many commands'));
  }

  async execute(text: string): Promise<void> {
    const command = parsePlainCommand(text);
    if (command.kind === 'bad') return this.#bad(command);
    if (command.kind === 'auth') return this.#authenticate(command.token);
    const named = command.channel;
    if (named.kind === 'own-user' && this.#connection.uid === undefined) return this.#answer(fault('Not Auth'), 'refused');
    const channel = named.kind === 'channel' ? named.name : userChannel(this.#connection.uid ?? '');
    if (command.kind === 'subscribe') return this.#subscribe(channel);
    if (command.kind === 'unsubscribe') {
      const member = this.#connection.memberOf(channel);
      if (member !== undefined) leaveRoom(member, this.#surroundings.rooms);
    }
    this.#answer(done, 'done');
  }

  async #subscribe(channel: string): Promise<void> {
    const { rooms } = this.#surroundings;
    const { history } = rooms.policies.of(channel);
    const result = await rooms.join(this.#connection, { channel, by: 'client', rewind: history?.rewindOnSubscribe });
    // Nothing else runs between the join and this reply, so the reply comes before the first publication.
    if (result.kind === 'refused') this.#answer(fault(refusals[result.reason]), 'refused');
    else this.#answer(done, 'done');
  }

  async #authenticate(token: string): Promise<void> {
    const result = await this.#surroundings.authenticate(token);
    if (this.#connection.isClosed) return;
    if (result.kind === 'user') {
      const { rooms, clock } = this.#surroundings;
      identify(this.#connection, { uid: result.uid, ...endOf(result.lastsMs, clock) }, rooms);
      this.#answer(done, 'done');
      return;
    }
    this.#surroundings.metrics.commands.inc({ result: 'refused' });
    this.#surroundings.rooms.clients?.tokenRefused(this.#connection, result);
    this.#connection.close(result.kind === 'late' ? closeCodes.authTimeout : closeBecause(closeCodes.authRefused, result.reason));
  }

  #answer(text: string, result: 'done' | 'refused'): void {
    this.#surroundings.metrics.commands.inc({ result });
    this.#connection.sendText(text);
  }

  #bad({ reason, logged }: Extract<PlainCommand, { kind: 'bad' }>): void {
    this.#surroundings.metrics.commands.inc({ result: 'bad' });
    this.#connection.close(closeBecause(closeCodes.badCommand, reason, logged));
  }
}
