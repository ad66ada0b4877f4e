import { boundedCache } from '../../core/bounded-cache.ts';
import type { Clock } from '../../core/clock.ts';
import { shown } from '../accounts/client-log.ts';
import type { GatewayJournal } from '../accounts/log-lines.ts';
import { originSetting, type AdmissionRequest } from './admission.ts';

/** Shortest time between two warnings, in milliseconds, and between two of one origin or host. */
const warningIntervalMs = 1_000;
const againMs = 600_000;
/** Most origins and hosts that are remembered as warned of. Beyond it the one with the oldest warning is forgotten. */
const rememberedMax = 100;

/**
 * Warns of pages that are refused for their origin, or for the host of their request. A browser shows its page neither
 * the status nor the reason, so the gateway's log is the only place to find them. A page tries again for ever. So each
 * origin or host has one warning in ten minutes, and all have one a second.
 */
export class RefusedPages {
  readonly #journal: GatewayJournal;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #warnedAt = boundedCache<string, number>(rememberedMax);
  #lastAt = Number.NEGATIVE_INFINITY;
  #refused = 0;

  constructor(options: { readonly journal: GatewayJournal; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#journal = options.journal;
    this.#clock = options.clock;
  }

  refused(reason: 'origin' | 'host', request: AdmissionRequest): void {
    this.#refused++;
    const { origin, host } = { origin: shown(request.origin), host: shown(request.host) };
    const key = `${reason} ${(reason === 'origin' ? origin : host) ?? ''}`;
    const now = this.#clock.monotonic();
    if (now - this.#lastAt < warningIntervalMs || now - (this.#warnedAt.get(key) ?? Number.NEGATIVE_INFINITY) < againMs) return;
    this.#warnedAt.set(key, now);
    this.#lastAt = now;
    const times = this.#refused;
    this.#refused = 0;
    if (reason === 'origin') this.#journal.write('origin-refused', { origin, host, setting: originSetting, times });
    else this.#journal.write('host-refused', { origin, host, setting: 'BARRAGE_GATEWAY_HOST', times });
  }
}
