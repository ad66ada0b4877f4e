import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Bus } from '../core/bus/bus.ts';
import type { Outcome, RefusalReason } from './errors.ts';

/** What the publish API can be asked to do, by either transport. */
export type Operation = 'mesh.publish' | 'mesh.send' | 'conn.call';

const publicationResults = {
  badArguments: 'invalid',
  contentType: 'invalid',
  tooLarge: 'too_large',
  tooMany: 'rate_limited',
  notAuthorised: 'unauthorized',
  unavailable: 'unavailable',
  internal: 'unavailable',
  // A publication is never refused for these.
  callFailed: 'invalid',
  sendFailed: 'invalid',
  notFound: 'invalid',
  methodNotAllowed: 'invalid',
} as const satisfies Record<RefusalReason, string>;

interface MetricSources {
  readonly socketConnections: () => number;
  readonly requestBytesInFlight: () => number;
  readonly sockets: () => number;
}

/** The publisher's metrics in a registry. A process has one publisher, so that they are registered once. */
export class PublisherMetrics {
  readonly #publications: Counter<'result'>;
  readonly #timed: Readonly<Record<Operation, Histogram.Internal<'operation'>>>;
  readonly #crowded: Counter;

  constructor(registry: Registry, sources: MetricSources) {
    const registers = [registry];
    this.#publications = new Counter({
      name: 'barrage_publisher_publications_total',
      help: 'Publications that were asked for, by what became of them.',
      labelNames: ['result'],
      registers,
    });
    for (const result of ['accepted', ...new Set(Object.values(publicationResults))]) this.#publications.inc({ result }, 0);
    const seconds = new Histogram({
      name: 'barrage_publisher_request_seconds',
      help: 'From a request that arrived whole to its answer; wait=delivered is in it.',
      labelNames: ['operation'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.#timed = {
      'mesh.publish': seconds.labels('mesh.publish'),
      'mesh.send': seconds.labels('mesh.send'),
      'conn.call': seconds.labels('conn.call'),
    };
    new Gauge({
      name: 'barrage_publisher_api_connections',
      help: 'Open connections of the WebSocket API.',
      registers,
      collect() {
        this.set(sources.socketConnections());
      },
    });
    new Gauge({
      name: 'barrage_publisher_request_bytes',
      help: 'Bytes of the requests that are being received or answered.',
      registers,
      collect() {
        this.set(sources.requestBytesInFlight());
      },
    });
    new Gauge({
      name: 'barrage_publisher_sockets',
      help: 'Open sockets on the port of the publish API, whatever they speak.',
      registers,
      collect() {
        this.set(sources.sockets());
      },
    });
    this.#crowded = new Counter({
      name: 'barrage_publisher_sockets_closed_total',
      help: 'Sockets without a request that were closed since there were too many.',
      registers,
    });
  }

  /** A socket was closed since there were too many. */
  crowded(): void {
    this.#crowded.inc();
  }

  /** Counts what became of a request; only those to publish are publications. */
  count(operation: Operation, outcome: Outcome): void {
    if (operation !== 'mesh.publish') return;
    this.#publications.inc({ result: outcome.kind === 'done' ? 'accepted' : publicationResults[outcome.reason] });
  }

  /** A request that arrived whole was answered, so many milliseconds later. */
  answered(operation: Operation, outcome: Outcome, milliseconds: number): void {
    this.#timed[operation].observe(milliseconds / 1000);
    this.count(operation, outcome);
  }
}

/** Registers `barrage_bus_up` for a process that holds a publisher only: a gateway in the same process registers it too. */
export function exportBusState(registry: Registry, bus: Bus): void {
  new Gauge({
    name: 'barrage_bus_up',
    help: '1 while the bus can be used.',
    registers: [registry],
    collect() {
      this.set(bus.state().up ? 1 : 0);
    },
  });
}
