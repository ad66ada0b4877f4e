import { Counter, type Registry } from 'prom-client';
import { limits } from '../../core/limits.ts';
import { readGauge } from '../../core/process/read-metrics.ts';

/** What became of a request of pull. */
export type PullResult = 'sent' | 'unchanged' | 'preflight' | 'refused' | 'unavailable' | 'limited';

const results = {
  head: ['sent', 'unchanged', 'refused', 'unavailable', 'limited'],
  segment: ['sent', 'unchanged', 'refused', 'unavailable', 'limited'],
  other: ['preflight', 'refused', 'limited'],
} as const satisfies Readonly<Record<string, readonly PullResult[]>>;

/** The metrics of pull (`GET /v1/channels/…`) of one gateway. */
export class PullMetrics {
  readonly requests: Counter<'document' | 'result'>;
  readonly encoded: Counter<'document'>;
  readonly reads: Counter;
  readonly readsRefused: Counter<'of'>;
  /** What the gauges read; none until the endpoint is there. */
  sources: { readonly cacheBytes: () => number; readonly sendingBytes: () => number } = { cacheBytes: () => 0, sendingBytes: () => 0 };

  constructor(registry: Registry) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'barrage_gateway_pull_requests_total',
      help: 'Requests for heads and segments by result: `sent`, `unchanged` (304), `preflight`, `refused` (4xx, and 308 for another spelling of an address), `unavailable` (the bus, the auth service or the policies), `limited` (more than `BARRAGE_PULL_REQUESTS_PER_SECOND`, or than memory is for). `other` stands for requests that name neither.',
      labelNames: ['document', 'result'],
      registers,
    });
    for (const [document, each] of Object.entries(results)) for (const result of each) this.requests.inc({ document, result }, 0);
    this.encoded = new Counter({
      name: 'barrage_gateway_pull_documents_encoded_total',
      help: 'Heads and segments that were encoded: each once for all who ask. Segments far above one for 50 publications are a cache that is too small.',
      labelNames: ['document'],
      registers,
    });
    for (const document of ['head', 'segment']) this.encoded.inc({ document }, 0);
    this.reads = new Counter({
      name: 'barrage_gateway_pull_bus_reads_total',
      help: 'Reads of the bus for heads and segments: for each channel one a second while somebody asks, and one for each segment.',
      registers,
    });
    this.readsRefused = new Counter({
      name: 'barrage_gateway_pull_bus_reads_refused_total',
      help: `Reads of the bus that were one too many, answered 503: of channels that are \`known\` to have publications, and of others (\`unknown\`), which have ${limits.pullUnknownReadsPerSecondMax} of the ${limits.pullReadsPerSecondMax} reads a second.`,
      labelNames: ['of'],
      registers,
    });
    for (const channels of ['known', 'unknown']) this.readsRefused.inc({ of: channels }, 0);
    readGauge(
      registry,
      {
        name: 'barrage_gateway_pull_cache_bytes',
        help: 'Bytes of encoded heads and segments in memory (bound: 64 MiB).',
      },
      () => this.sources.cacheBytes(),
    );
    readGauge(
      registry,
      {
        name: 'barrage_gateway_pull_sending_bytes',
        help: 'Bytes of heads and segments that readers are being sent, each document counted once (bound: 128 MiB).',
      },
      () => this.sources.sendingBytes(),
    );
  }
}
