import { readCounters, readGauge } from '../core/process/read-metrics.ts';
import { Counter, type Registry } from 'prom-client';
import { publisherBounds } from './bounds.ts';
import type { Outcome, RefusalReason } from './errors.ts';
import type { HeldPublications } from './held-publications.ts';
import { OperationSeconds, type Operation } from './operation-seconds.ts';

const publicationResults = {
  badArguments: 'invalid',
  contentType: 'invalid',
  tooLarge: 'too_large',
  tooMany: 'rate_limited',
  notAuthorised: 'unauthorized',
  unavailable: 'unavailable',
  internal: 'unavailable',
  keyReused: 'invalid',
  batchRefused: 'invalid',
  // These reasons never refuse a publication.
  callFailed: 'invalid',
  sendFailed: 'invalid',
  noHistory: 'invalid',
  epochChanged: 'invalid',
  notFound: 'invalid',
  methodNotAllowed: 'invalid',
  getOnly: 'invalid',
} as const satisfies Record<RefusalReason, string>;

interface MetricSources {
  readonly socketConnections: () => number;
  readonly requestBytesInFlight: () => number;
  readonly sockets: () => number;
  readonly historyReaders: () => number;
  readonly held: () => Pick<HeldPublications, 'size' | 'counts'>;
}

/** The publisher's metrics, registered once in a registry: a process has one publisher. */
export class PublisherMetrics {
  /** Publications by outcome. The counter reads them at a scrape: looking up a label costs more than adding one. */
  readonly #publications = new Map<string, number>();
  readonly #seconds: OperationSeconds;
  readonly #crowded: Counter;

  constructor(registry: Registry, sources: MetricSources) {
    const registers = [registry];
    const publications = this.#publications;
    for (const result of ['accepted', 'replayed', ...Object.values(publicationResults)]) publications.set(result, 0);
    new Counter({
      name: 'barrage_publisher_publications_total',
      help: 'Publications asked for, by result: `accepted`, `replayed` (accepted before), `invalid`, `too_large`, `rate_limited`, `unauthorized`, `unavailable`.',
      labelNames: ['result'],
      registers,
      collect() {
        this.reset();
        for (const [result, count] of publications) this.inc({ result }, count);
      },
    });
    this.#seconds = new OperationSeconds(registry, {
      name: 'barrage_publisher_request_seconds',
      help: 'Time from the last byte of a request to its answer, `wait` included.',
    });
    readGauge(registry, { name: 'barrage_publisher_api_connections', help: 'Open connections of the WebSocket API.' }, () =>
      sources.socketConnections(),
    );
    readGauge(
      registry,
      { name: 'barrage_publisher_request_bytes', help: 'Bytes of the requests that are being received or answered.' },
      () => sources.requestBytesInFlight(),
    );
    readGauge(
      registry,
      { name: 'barrage_publisher_sockets', help: 'Open sockets on the port of the publish API, whatever they speak.' },
      () => sources.sockets(),
    );
    readGauge(
      registry,
      {
        name: 'barrage_publisher_history_readers',
        help: `Readings of histories that are being answered (at most ${publisherBounds.historyAnswersMax}), or wait for their turn.`,
      },
      () => sources.historyReaders(),
    );
    readGauge(
      registry,
      {
        name: 'barrage_publisher_held_publications',
        help: 'Publications that wait for the bus: the policy of their channel lets them (`limits.publishHoldMs`), or they have an idempotency key and their answer was lost.',
      },
      () => sources.held().size.publications,
    );
    readGauge(
      registry,
      { name: 'barrage_publisher_held_bytes', help: 'Payload bytes of the publications that wait for a bus that is away.' },
      () => sources.held().size.bytes,
    );
    readCounters(
      registry,
      {
        name: 'barrage_publisher_held_total',
        help: `Publications that could wait for the bus, or be repeated after a lost answer, by what became of them: \`published\`, \`refused\` (the bus was away for longer, or failed otherwise), \`full\` (${publisherBounds.heldPublicationsMax} publications or ${publisherBounds.heldBytesMax} bytes waited already).`,
        labelNames: ['result'],
      },
      () => Object.entries(sources.held().counts).map(([result, count]) => [{ result }, count] as const),
    );
    this.#crowded = new Counter({
      name: 'barrage_publisher_sockets_closed_total',
      help: `Sockets without a request that were closed because there were too many (${publisherBounds.socketsMax}).`,
      registers,
    });
  }

  /** Counts a socket that was closed because there were too many. */
  crowded(): void {
    this.#crowded.inc();
  }

  /**
   * Counts the outcome of a request; only requests to publish count as publications. One for many publications counts
   * here when it is refused as a whole.
   */
  count(operation: Operation, outcome: Outcome): void {
    if (operation === 'mesh.publish' || (operation === 'publish' && outcome.kind === 'refused')) this.published(outcome);
  }

  /** Counts a publication. */
  published(outcome: Outcome): void {
    const result = outcome.kind === 'done' ? acceptedAs(outcome) : publicationResults[outcome.reason];
    this.#publications.set(result, (this.#publications.get(result) ?? 0) + 1);
  }

  /** Observes the time from a request's complete arrival to its answer, in milliseconds. */
  answered(operation: Operation, outcome: Outcome, milliseconds: number): void {
    this.#seconds.observe(operation, milliseconds / 1000);
    this.count(operation, outcome);
  }
}

function acceptedAs({ result }: Extract<Outcome, { kind: 'done' }>): string {
  return result['replayed'] === true ? 'replayed' : 'accepted';
}
