import { parsePlainChannel, userChannel } from '../../core/channel.ts';
import { closeCodes } from '../../core/close-codes.ts';
import { parseJsonObject } from '../../core/json.ts';
import { mayJoin } from '../identity/channel-access.ts';
import type { Connection } from '../connections/connection.ts';
import type { JoinResult } from '../rooms/rooms.ts';
import type { Dialect, SessionSurroundings } from './session.ts';

const done = '{"result":true}';

function fault(message: string): string {
  return JSON.stringify({ code: 1, msg: message });
}

const refusals: Readonly<Record<Extract<JoinResult, { kind: 'refused' }>['reason'], string>> = {
  subscriptions: 'Too many subscriptions',
  rooms: 'Too many channels on this gateway, try again later',
  members: 'This channel is full',
  bus: 'Temporarily unavailable, try again',
  closed: 'Closed',
};

/**
 * The plain protocol: CONNMIX's published examples. `subscribe`, `unsubscribe` and `auth`; what is not a command closes the connection.
 * An unknown op with a well-formed channel, and a subscription that exists (or does not), are answered like a success, as the published scripts do.
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
    const command = parseJsonObject(text);
    const op = command.kind === 'object' ? command.value['op'] : undefined;
    if (command.kind !== 'object' || typeof op !== 'string') return this.#bad();
    if (op === 'auth') return this.#authenticate(command.value['token']);
    const channelText = command.value['channel'];
    const parsed = typeof channelText === 'string' ? parsePlainChannel(channelText) : undefined;
    if (parsed === undefined || parsed.kind === 'invalid') return this.#bad();
    if (parsed.kind === 'own-user' && this.#connection.uid === undefined) return this.#answer(fault('Not Auth'), 'refused');
    const channel = parsed.kind === 'channel' ? parsed.name : userChannel(this.#connection.uid ?? '');
    if (op === 'subscribe') return this.#subscribe(channel);
    if (op === 'unsubscribe') {
      const member = this.#connection.memberOf(channel);
      if (member !== undefined) this.#surroundings.rooms.leave(member);
    }
    this.#answer(done, 'done');
  }

  async #subscribe(channel: string): Promise<void> {
    const { rooms } = this.#surroundings;
    if (!this.#isAdmitted(channel)) return;
    const result = await rooms.join(this.#connection, channel, 'plain');
    if (result.kind === 'refused') return this.#answer(fault(refusals[result.reason]), 'refused');
    // Who it is may have changed while the room was opened.
    if (!this.#isAdmitted(channel)) return rooms.leave(result.member);
    // Nothing else runs between joining and this reply, so the reply comes before the first publication.
    this.#answer(done, 'done');
  }

  /** Whether this client may subscribe; answers where not. */
  #isAdmitted(channel: string): boolean {
    const access = mayJoin(this.#surroundings.rooms.policies.of(channel), channel, this.#connection.uid);
    if (access !== 'allowed') this.#answer(fault(access === 'not_authenticated' ? 'Not Auth' : 'Forbidden'), 'refused');
    return access === 'allowed';
  }

  async #authenticate(token: unknown): Promise<void> {
    if (typeof token !== 'string') return this.#bad();
    const result = await this.#surroundings.authenticate(token);
    if (this.#connection.isClosed) return;
    if (result.kind === 'user') {
      const { rooms, clock } = this.#surroundings;
      rooms.identify(this.#connection, result.uid, result.lastsMs === undefined ? undefined : clock.monotonic() + result.lastsMs);
      this.#answer(done, 'done');
      return;
    }
    this.#surroundings.metrics.commands.inc({ result: 'refused' });
    if (result.kind === 'refused') this.#surroundings.logger.info({ client: this.#connection.id, result }, 'auth refused');
    this.#connection.close(result.kind === 'late' ? closeCodes.authTimeout : closeCodes.authRefused);
  }

  #answer(text: string, result: 'done' | 'refused'): void {
    this.#surroundings.metrics.commands.inc({ result });
    this.#connection.sendText(text);
  }

  #bad(): void {
    this.#surroundings.metrics.commands.inc({ result: 'bad' });
    this.#connection.close(closeCodes.badCommand);
  }
}
