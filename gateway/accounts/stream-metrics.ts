import { Counter, type Registry } from 'prom-client';
import { readGauge } from '../../core/process/read-metrics.ts';

/** What became of a request for event streams. */
export type StreamResult = 'opened' | 'handed' | 'passed_on' | 'preflight' | 'stopped' | 'refused' | 'gone' | 'unavailable' | 'limited';

const results = {
  open: ['opened', 'stopped', 'refused', 'unavailable'],
  commands: ['handed', 'passed_on', 'refused', 'gone', 'unavailable', 'limited'],
  other: ['preflight', 'refused'],
} as const satisfies Readonly<Record<string, readonly StreamResult[]>>;

export type StreamRequestKind = keyof typeof results;

/** The metrics of event streams (`/v1/stream`) of one gateway. */
export class StreamMetrics {
  readonly requests: Counter<'request' | 'result'>;
  /** What the gauges read; none until the endpoint is there. */
  sources: { readonly open: () => number; readonly bodyBytes: () => number } = { open: () => 0, bodyBytes: () => 0 };

  constructor(registry: Registry) {
    this.requests = new Counter({
      name: 'barrage_gateway_stream_requests_total',
      help: 'Requests for event streams. `open` (GET): `opened`, `stopped` (204: the client was closed for good), `refused` (4xx), `unavailable` (503). `commands` (POST): `handed` to a stream here, `passed_on` to the gateway that holds it, `refused`, `gone` (404: the stream has ended), `unavailable` (that gateway does not answer), `limited` (more requests or bytes than this gateway takes).',
      labelNames: ['request', 'result'],
      registers: [registry],
    });
    for (const [request, each] of Object.entries(results)) for (const result of each) this.requests.inc({ request, result }, 0);
    readGauge(registry, { name: 'barrage_gateway_streams', help: 'Open event streams; they are among the connections.' }, () =>
      this.sources.open(),
    );
    readGauge(
      registry,
      { name: 'barrage_gateway_stream_body_bytes', help: 'Bytes of commands for event streams that are being received (bound: 16 MiB).' },
      () => this.sources.bodyBytes(),
    );
  }
}
