import type { IncomingMessage } from 'node:http';
import type { Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import { channelNameFault } from '../core/channel.ts';
import { ClientAddresses, type AddressRange } from '../core/process/client-address.ts';
import { ClientLines } from '../core/process/client-lines.ts';
import { processJournal } from '../core/process/log-lines.ts';
import type { Logger } from '../core/process/logging.ts';
import { keyNameOf } from './access.ts';
import { refusals, type Refusal } from './errors.ts';
import { publisherJournal, type publisherLines } from './log-lines.ts';
import type { Operation } from './operation-seconds.ts';

/** The end of a backend's connection. */
interface BackendEnd {
  readonly by: 'publisher' | 'backend' | 'network';
  readonly code: number;
  readonly reason: string | undefined;
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A backend's connection in the log; `undefined` where its life is not logged. */
type BackendLife = { readonly backend: number; readonly address: string; readonly openedAt: number } | undefined;

/**
 * What becomes of backends' requests and connections, in the log at `debug`. At any other level each call returns at
 * once. Keys are told by name.
 */
export class RequestLog {
  readonly #lines: ClientLines<typeof publisherLines>;
  readonly #addresses: ClientAddresses;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #isOn: boolean;
  #backends = 0;

  constructor(options: {
    readonly logger: Logger;
    readonly clock: Clock;
    readonly registry: Registry;
    readonly trustedProxies: readonly AddressRange[];
  }) {
    const { logger, clock, registry, trustedProxies } = options;
    const summaries = processJournal(logger, clock);
    this.#lines = new ClientLines({ journal: publisherJournal(logger, clock), summaries, clock, registry });
    this.#addresses = new ClientAddresses(trustedProxies);
    this.#clock = clock;
    this.#isOn = this.#lines.hasDebug;
  }

  /** A request without a known key, or one that must come from this machine and does not. */
  keyRefused(request: IncomingMessage, reason: string): void {
    if (!this.#isOn) return;
    this.#lines.write('key-refused', { address: this.#addresses.of(request), key: keyNameOf(request.headers), reason });
  }

  /** Input that is no request, or did not come in time. */
  unreadable(address: string | undefined, reason: string): void {
    if (this.#isOn) this.#lines.write('input-unreadable', { address: address ?? 'unknown', reason });
  }

  /** A socket on a port of TLS that came to nothing. */
  handshakeFailed(address: string | undefined, reason: string): void {
    if (this.#isOn) this.#lines.write('handshake-failed', { address: address ?? 'unknown', reason });
  }

  /** @param fields the request: its channel is told, unless what stands there may be anything */
  refused(operation: Operation, { reason, retryAfterSeconds }: Refusal, fields?: unknown): void {
    if (!this.#isOn) return;
    const { status } = refusals[reason];
    const channel = reason === 'badArguments' ? undefined : channelOf(fields);
    this.#lines.write('operation-refused', { operation, channel, reason, status, retryAfterSeconds });
  }

  /** A handshake of the WebSocket API that was refused for another reason than its key. */
  handshakeRefused(request: IncomingMessage, { reason, retryAfterSeconds }: Refusal): void {
    if (!this.#isOn) return;
    const { status } = refusals[reason];
    this.#lines.write('backend-refused', { address: this.#addresses.of(request), reason, status, retryAfterSeconds });
  }

  opened(request: IncomingMessage): BackendLife {
    if (!this.#isOn) return undefined;
    const life = { backend: ++this.#backends, address: this.#addresses.of(request), openedAt: this.#clock.monotonic() };
    this.#lines.write('backend-opened', { backend: life.backend, address: life.address });
    return life;
  }

  ended(life: BackendLife, end: BackendEnd): void {
    if (life === undefined) return;
    const { backend, address, openedAt } = life;
    this.#lines.write('backend-closed', { backend, address, ...end, durationMs: Math.round(this.#clock.monotonic() - openedAt) });
  }

  /** Tells at once how many lines were left out. */
  close(): void {
    this.#lines.tell();
  }
}

/** The channel of a request to publish. */
function channelOf(fields: unknown): string | undefined {
  const { c: channel } = (typeof fields === 'object' && fields !== null ? fields : {}) as { readonly c?: unknown };
  return typeof channel === 'string' && channelNameFault(channel) === undefined ? channel : undefined;
}
