import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Verb } from '../runtime/retry.ts';
import type { ReflectorFigures } from './reflector-figures.ts';

const seconds = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

type NamespaceRefusals = () => readonly { readonly namespace: string; readonly isRefused: boolean }[];

/** Requests to the API server under client-go's names, and the state of watches and caches. */
export class ClientMetrics {
  readonly #requests: Counter<'code' | 'method'>;
  readonly #duration: Histogram<'verb'>;
  readonly #limited: Histogram<'verb'>;
  readonly #leads: Gauge<'name'>;
  readonly #events: Counter<'result'>;
  readonly #reflectors = new Map<string, () => ReflectorFigures>();
  #refusals: NamespaceRefusals = () => [];

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the API server by status code; `<error>`: no answer.',
      labelNames: ['code', 'method'],
      registers,
    });
    const timed = { labelNames: ['verb'] as const, buckets: seconds, registers };
    this.#duration = new Histogram({
      ...timed,
      name: 'rest_client_request_duration_seconds',
      help: "Time until the API server's answer, or until it begins a watch.",
    });
    this.#limited = new Histogram({
      ...timed,
      name: 'rest_client_rate_limiter_duration_seconds',
      help: 'Time that requests wait for `BARRAGE_OPERATOR_API_RATE`.',
    });
    this.#leads = new Gauge({
      name: 'leader_election_master_status',
      help: '1 while this process leads, 0 while it stands by.',
      labelNames: ['name'],
      registers,
    });
    this.#events = new Counter({
      name: 'barrage_operator_events_total',
      help: 'Kubernetes events by result: `created`, `counted` (its count was written), `kept` (counted, and not written yet), `dropped` (more than 500 wait, or the operator ends), `failed`.',
      labelNames: ['result'],
      registers,
    });
    this.#exportReflectors(registry);
    this.#exportRefusals(registry);
  }

  answered(verb: Verb, method: string, code: number | '<error>', tookMs: number): void {
    this.#requests.inc({ code: String(code), method });
    this.#duration.observe({ verb }, tookMs / 1000);
  }

  waited(verb: Verb, ms: number): void {
    this.#limited.observe({ verb }, ms / 1000);
  }

  leading(name: string, isLeader: boolean): void {
    this.#leads.set({ name }, isLeader ? 1 : 0);
  }

  event(result: 'created' | 'counted' | 'kept' | 'dropped' | 'failed'): void {
    this.#events.inc({ result });
  }

  watchReflector(kind: string, figures: () => ReflectorFigures): void {
    this.#reflectors.set(kind, figures);
  }

  /** @param refusals for each separately watched namespace: whether the API server refuses to let it be read */
  watchNamespaces(refusals: NamespaceRefusals): void {
    this.#refusals = refusals;
  }

  #exportRefusals(registry: Registry): void {
    const read: NamespaceRefusals = () => this.#refusals();
    void new Gauge({
      name: 'barrage_operator_namespace_refused',
      help: '1 for a namespace in `watchNamespaces` that the operator may not read, for example because it was deleted with its Roles. The operator does nothing there, and tries again every 10 s at most.',
      labelNames: ['namespace'],
      registers: [registry],
      collect() {
        for (const { namespace, isRefused } of read()) this.set({ namespace }, isRefused ? 1 : 0);
      },
    });
  }

  #exportReflectors(registry: Registry): void {
    const reflectors = this.#reflectors;
    const options = { labelNames: ['kind'] as const, registers: [registry] };
    const gauge = (name: string, help: string, read: (figures: ReflectorFigures) => number): void => {
      void new Gauge({
        ...options,
        name: `barrage_operator_cache_${name}`,
        help,
        collect() {
          for (const [kind, figures] of reflectors) this.set({ kind }, read(figures()));
        },
      });
    };
    const counter = (name: string, help: string, read: (figures: ReflectorFigures) => number): void => {
      void new Counter({
        ...options,
        name: `barrage_operator_cache_${name}`,
        help,
        collect() {
          this.reset();
          for (const [kind, figures] of reflectors) this.inc({ kind }, read(figures()));
        },
      });
    };
    gauge('objects', 'Known objects of a kind.', ({ objects }) => objects);
    gauge(
      'age_seconds',
      'Time since the last news of a kind: an object, a bookmark or a list. Bookmarks come about every minute, so minutes mean a watch that gets nothing.',
      ({ ageMs }) => ageMs / 1000,
    );
    gauge('synced', '1 once all objects of a kind have been read.', ({ isSynced }) => (isSynced ? 1 : 0));
    counter('lists_total', 'Full reads of a kind.', ({ lists }) => lists);
    counter('watches_total', 'Watches begun or resumed.', ({ watches }) => watches);
    counter('failures_total', 'Lists and watches that failed.', ({ failures }) => failures);
  }
}
