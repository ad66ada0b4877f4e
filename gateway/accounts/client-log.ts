import type { Registry } from 'prom-client';
import type { Clock } from '../../core/clock.ts';
import type { CloseCode } from '../../core/close-codes.ts';
import { ClientAddresses, type Addressed, type AddressRange } from '../../core/process/client-address.ts';
import { ClientLines } from '../../core/process/client-lines.ts';
import { processJournal } from '../../core/process/log-lines.ts';
import type { Logger } from '../../core/process/logging.ts';
import { SparseLog } from '../../core/process/sparse-log.ts';
import { gatewayJournal, type gatewayLines } from './log-lines.ts';

/** Most channels that the last line of a connection names. */
const channelsShownMax = 10;
/** Longest text of a stranger in a line, in characters. */
const shownCharactersMax = 300;

/** The log's view of a connection. */
export interface LoggedClient {
  readonly id: number;
  readonly uid: string | undefined;
}

/** A request for a connection. */
export interface Handshake extends Addressed {
  readonly headers: Addressed['headers'] & { readonly origin?: string | undefined; readonly host?: string | undefined };
}

/** The end of a socket: its close code, and the bytes that it carried, handshake included. */
export interface SocketEnd {
  /** 1005: a close frame without a code. 1006: no close frame. */
  readonly code: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** The life of one connection until now. */
interface Life {
  readonly address: string;
  readonly protocol: string;
  readonly openedAt: number;
  /** The user that was known last: an identity may end before its connection. */
  user: string | undefined;
  /** The gateway's own end of the connection, if it made one. */
  close: { readonly code: number; readonly reason: string } | undefined;
  channels: readonly string[];
  /** Whether the client was told to move to another gateway. */
  isMoving: boolean;
  limited: SparseLog<{ readonly user?: string | undefined; readonly channel?: string | undefined }> | undefined;
}

interface ClientLogOptions {
  readonly lines: ClientLines<typeof gatewayLines>;
  readonly addresses: ClientAddresses;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** Opens the log of a gateway's clients. Call it once for a registry. */
export function openClientLog(options: {
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly trustedProxies: readonly AddressRange[];
}): ClientLog {
  const { logger, registry, clock, trustedProxies } = options;
  const summaries = processJournal(logger, clock);
  const lines = new ClientLines({ journal: gatewayJournal(logger, clock), summaries, clock, registry });
  return new ClientLog({ lines, addresses: new ClientAddresses(trustedProxies), clock });
}

/**
 * The lives of clients in the log, at `debug`. At any other level each call returns at once, and no life is recorded.
 * Every line of a connection has its number in `connection`, and its user, if one is known, in `user`.
 */
export class ClientLog {
  readonly #lines: ClientLogOptions['lines'];
  readonly #addresses: ClientAddresses;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #lives = new Map<number, Life>();
  /** Whether the lives of clients are logged. */
  readonly isOn: boolean;

  constructor(options: ClientLogOptions) {
    this.#lines = options.lines;
    this.#addresses = options.addresses;
    this.#clock = options.clock;
    this.isOn = options.lines.hasDebug;
  }

  /** A handshake that was answered with an error. */
  refused(
    handshake: Handshake,
    answer: { readonly reason: string; readonly status: number; readonly retryAfterSeconds?: number | undefined },
  ): void {
    if (!this.isOn) return;
    const { origin, host } = handshake.headers;
    const { reason, status, retryAfterSeconds } = answer;
    const fields = { address: this.#addresses.of(handshake), origin: shown(origin), host: shown(host), reason, status, retryAfterSeconds };
    this.#lines.write('handshake-refused', fields);
  }

  /** Input that is no HTTP request, or did not arrive in time. */
  unreadable(address: string | undefined, reason: string): void {
    if (this.isOn) this.#lines.write('request-unreadable', { address: address ?? 'unknown', reason });
  }

  /** A socket without a request that was closed to make room. */
  crowdedOut(address: string | undefined): void {
    if (this.isOn) this.#lines.write('socket-crowded-out', { address: address ?? 'unknown' });
  }

  opened(client: LoggedClient, protocol: string, handshake: Handshake): void {
    if (!this.isOn) return;
    const { id } = client;
    const address = this.#addresses.of(handshake);
    const life = { address, protocol, openedAt: this.#clock.monotonic(), channels: [], isMoving: false };
    this.#lives.set(id, { ...life, user: undefined, close: undefined, limited: undefined });
    this.#lines.write('connection-opened', { connection: id, address, protocol, origin: shown(handshake.headers.origin) });
  }

  /** The user became known, by a token or by a backend. */
  identified(client: LoggedClient, by: 'token' | 'backend', expiresInMs?: number): void {
    if (!this.isOn) return;
    const life = this.#lives.get(client.id);
    if (life !== undefined) life.user = client.uid;
    this.#lines.write('user-identified', { ...this.#who(client), by, expiresInMs: expiresInMs && Math.floor(expiresInMs) });
  }

  identityEnded(client: LoggedClient): void {
    if (this.isOn) this.#lines.write('user-expired', this.#who(client));
  }

  /** @param result `keyId`: the name of the key that the token names */
  tokenRefused(client: LoggedClient, result: { readonly reason: string; readonly keyId?: string | undefined }): void {
    if (this.isOn) this.#lines.write('token-refused', { ...this.#who(client), reason: result.reason, key: result.keyId });
  }

  subscribed(client: LoggedClient, channel: string, by: 'client' | 'backend'): void {
    if (this.isOn) this.#lines.write('subscribed', { ...this.#who(client), channel, by });
  }

  subscriptionRefused(client: LoggedClient, channel: string, refusal: { readonly reason: string; readonly by: string }): void {
    if (this.isOn) this.#lines.write('subscription-refused', { ...this.#who(client), channel, ...refusal });
  }

  /** @param reason the cause where a server ended the subscription */
  unsubscribed(client: LoggedClient, channel: string, reason?: string): void {
    if (!this.isOn) return;
    this.#lines.write('unsubscribed', { ...this.#who(client), channel, by: reason === undefined ? 'client' : 'server', reason });
  }

  /** A client reached a rate, and what it sent was refused. One client has at most one such line a second. */
  limited(client: LoggedClient, reason: string, channel?: string): void {
    if (!this.isOn) return;
    const life = this.#lives.get(client.id);
    if (life === undefined) return;
    const { id: connection } = client;
    life.limited ??= new SparseLog({
      clock: this.#clock,
      write: (fields) => this.#lines.write('rate-limited', { connection, ...fields }),
    });
    life.limited.warn(reason, { user: client.uid, channel });
  }

  /** @param url the new address; `undefined`: the client's own */
  moveTold(client: LoggedClient, url: string | undefined, afterMs: number): void {
    if (!this.isOn) return;
    const life = this.#lives.get(client.id);
    if (life !== undefined) life.isMoving = true;
    this.#lines.write('move-told', { ...this.#who(client), url, afterMs });
  }

  /** The gateway ends a connection. Its line is written with the end of its socket. */
  closing(client: LoggedClient, close: CloseCode, channels: () => Iterable<string>): void {
    if (!this.isOn) return;
    const life = this.#lives.get(client.id);
    if (life === undefined || life.close !== undefined) return;
    life.close = { code: close.code, reason: close.logged ?? close.reason };
    life.channels = [...channels()];
  }

  /** The socket of a connection has ended. `channels`: of a connection that the gateway did not close. */
  ended(client: LoggedClient, end: SocketEnd, channels: () => Iterable<string>): void {
    if (!this.isOn) return;
    const life = this.#lives.get(client.id);
    if (life === undefined) return;
    this.#lives.delete(client.id);
    const left = life.close === undefined ? [...channels()] : life.channels;
    this.#lines.write('connection-closed', {
      connection: client.id,
      user: life.user,
      address: life.address,
      protocol: life.protocol,
      ...(life.close === undefined ? causeOf(end.code, life.isMoving) : { by: 'gateway', ...life.close }),
      subscriptions: left.length,
      channels: left.slice(0, channelsShownMax),
      bytesIn: end.bytesIn,
      bytesOut: end.bytesOut,
      durationMs: Math.round(this.#clock.monotonic() - life.openedAt),
    });
  }

  /** Tells at once how many lines were left out. */
  close(): void {
    this.#lines.tell();
  }

  #who({ id, uid }: LoggedClient): { readonly connection: number; readonly user: string | undefined } {
    return { connection: id, user: uid ?? this.#lives.get(id)?.user };
  }
}

/**
 * The cause of an end that the gateway did not make, by the code of the socket. A client's own words stay out of the
 * log: they may be anything.
 */
function causeOf(code: number, isMoving: boolean): { readonly by: 'client' | 'network'; readonly code: number; readonly reason: string } {
  if (code === 1006) return { by: 'network', code, reason: 'cut without a close frame: by a proxy, the network, or the end of the client' };
  if (isMoving) return { by: 'client', code, reason: 'the client left after it was told to move' };
  if (code === 1001) return { by: 'client', code, reason: 'the client left: its page was closed, or its program ended' };
  return { by: 'client', code, reason: 'the client closed' };
}

/** A stranger's text, cut for a log. */
export function shown(text: string | undefined): string | undefined {
  return text !== undefined && text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
}
