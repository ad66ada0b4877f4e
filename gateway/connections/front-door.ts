import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { isLoopbackHost } from '../../core/process/loopback.ts';
import type { Settings } from '../../core/process/settings.ts';
import type { ClientLog } from '../accounts/client-log.ts';
import type { GatewayJournal } from '../accounts/log-lines.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import type { Admission, PageRules } from './admission.ts';
import type { Reception } from './reception.ts';
import { RefusedPages } from './refused-pages.ts';

export interface FrontDoorOptions {
  readonly settings: Pick<Settings, 'gatewayHost' | 'gatewayOrigins'>;
  readonly reception: Reception;
  readonly metrics: GatewayMetrics;
  readonly clients: ClientLog;
  readonly journal: GatewayJournal;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** The gateway has not started wholly, or is leaving. */
  readonly isUnready: () => boolean;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Admits requests for connections, of any transport; counts and logs those that are refused. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  /** Which pages may connect. */
  readonly pages: PageRules;
  readonly #refusedPages: RefusedPages;
  #refusedForFullness = 0;

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    const { gatewayHost, gatewayOrigins: origins } = options.settings;
    this.pages = { isLoopback: isLoopbackHost(gatewayHost), origins };
    this.#refusedPages = new RefusedPages(options);
  }

  /** Refusals since the start because the gateway was full. */
  get refusedForFullness(): number {
    return this.#refusedForFullness;
  }

  admit(request: IncomingMessage): Admission {
    const { reception, clients, isUnready, random } = this.#options;
    const { host, origin } = request.headers;
    const admission = reception.admit({ host, origin }, { ...this.pages, isUnready: isUnready() }, random());
    if (admission.kind === 'admitted') return admission;
    const { reason } = admission;
    this.#countRefusal(reason);
    clients.refused(request, admission);
    if (reason === 'origin' || reason === 'host') this.#refusedPages.refused(reason, { host, origin });
    return admission;
  }

  /** A socket without a request was closed to make room. */
  crowdedOut(socket: Socket): void {
    this.#countRefusal('full');
    this.#options.clients.crowdedOut(socket.remoteAddress);
  }

  /** Counts input that is no HTTP request, or did not arrive in time. */
  unreadable(error: NodeJS.ErrnoException, socket: Socket): void {
    const { metrics, clients } = this.#options;
    if (error.code !== 'ECONNRESET') metrics.refusedConnections.inc({ reason: 'request' });
    clients.unreadable(socket.remoteAddress, error.code ?? error.name);
  }

  #countRefusal(reason: Extract<Admission, { kind: 'refused' }>['reason']): void {
    this.#options.metrics.refusedConnections.inc({ reason });
    if (reason === 'full') this.#refusedForFullness += 1;
  }
}
