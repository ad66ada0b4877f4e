import type { Clock } from '../core/clock.ts';
import { CountedRates } from '../ops/counted-rates.ts';
import type { OperationsPart } from '../ops/process-operations.ts';
import type { RegistryReader } from '../ops/registry-reader.ts';
import type { Readings } from '../ops/view/readings.ts';
import type { Snapshot } from '../ops/view/snapshot.ts';

/** The publisher on the operations page. */
export class PublisherOperations implements OperationsPart {
  readonly #reader: RegistryReader;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #results = new CountedRates();
  #apiConnections = 0;
  #requestBytes = 0;

  constructor(options: { readonly reader: RegistryReader; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#reader = options.reader;
    this.#clock = options.clock;
  }

  async read(): Promise<Readings> {
    const reader = this.#reader;
    const [results, apiConnections, requestBytes, publish] = await Promise.all([
      reader.sumsBy('barrage_publisher_publications_total', 'result'),
      reader.sum('barrage_publisher_api_connections'),
      reader.sum('barrage_publisher_request_bytes'),
      reader.distribution('barrage_publisher_request_seconds', { operation: 'mesh.publish' }),
    ]);
    const { accepted = 0, replayed: _, ...rejected } = results;
    this.#results.add(rejected, this.#clock.monotonic());
    this.#apiConnections = apiConnections ?? 0;
    this.#requestBytes = requestBytes ?? 0;
    return {
      now: {},
      totals: { published: accepted, rejected: Object.values(rejected).reduce((sum, count) => sum + count, 0) },
      distributions: publish === undefined ? {} : { publish },
    };
  }

  view(): Pick<Snapshot, 'publisher'> {
    return { publisher: { rejected: this.#results.rates, apiConnections: this.#apiConnections, requestBytes: this.#requestBytes } };
  }
}
