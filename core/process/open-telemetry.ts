import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SamplingDecision,
  SpanKind as Kind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as LibrarySpan,
  type Tracer as LibraryTracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { core, NodeSDK, resources, type tracing } from '@opentelemetry/sdk-node';
import { TokenBucket } from '../token-bucket.ts';
import { spanTable, type RequestOrigin, type Span, type SpanKind, type SpanName, type SpanStart, type Tracer } from '../trace.ts';
import { isSampled, type Sampling } from '../trace-sampling.ts';
import { readTraceparent, writeTraceparent, type TraceParent } from '../traceparent.ts';
import { processJournal } from './log-lines.ts';
import type { Logger } from './logging.ts';
import type { Settings } from './settings.ts';

/** Most finished spans that wait for the collector, unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise. */
const spansWaitingMax = 2_048;
/** Longest time of one export with its repetitions, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise. */
const exportMsMax = 3_000;
/** Longest wait for the last spans when the process ends, in milliseconds. */
const closeMsMax = 1_000;
/** Most traces a second that clients can make this process record by setting the sampled flag themselves. */
const clientTracesPerSecondMax = 10;
/** Distance between the machine's clock and the one of spans that is put right, in milliseconds. */
const driftMsMax = 5;

const kinds: Readonly<Record<SpanKind, Kind>> = {
  server: Kind.SERVER,
  client: Kind.CLIENT,
  producer: Kind.PRODUCER,
  consumer: Kind.CONSUMER,
  internal: Kind.INTERNAL,
};

/** The traces of a process, from its start to its end. */
export interface Tracing {
  readonly tracer: Tracer;
  /** Sends the spans that wait, within a second, and ends. Call it last. */
  readonly close: () => Promise<void>;
}

/** Fates of spans, and reasons for which a sampled trace or publication gets none. */
export interface TraceCounts {
  spans(result: 'exported' | 'failed' | 'dropped', count: number): void;
  skipped(reason: 'queue_full' | 'client_rate' | 'flush_full', count: number): void;
}

export interface RecordingOptions {
  readonly settings: Pick<Settings, 'otlpProtocol'>;
  /** Name of the kind of process: `gateway`, `publisher`, `operator` or `standalone`. */
  readonly part: string;
  /** Name of this process among its kind. */
  readonly instance: string;
  readonly logger: Logger;
  readonly sampling: Sampling;
  readonly counts: TraceCounts;
}

/** Records spans and exports them by OTLP/HTTP. The only user of the OpenTelemetry libraries. */
export function startOpenTelemetry(options: RecordingOptions): Tracing {
  const { part, instance, logger, counts } = options;
  const queue = new SpanQueue(waitingMaxOf(process.env), counts);
  const journal = processJournal(logger);
  const lost = journal.sparse('traces-lost');
  const odd = journal.sparse('trace-setting-odd');
  const nothing = (): void => undefined;
  const library = { error: nothing, warn: (words: string) => void odd.warn(words), info: nothing, debug: nothing, verbose: nothing };
  diag.setLogger(library, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const sdk = new NodeSDK({
    // What gets here is sampled already. So a publication that is not costs no ids, no attributes and no objects.
    sampler: { shouldSample: () => ({ decision: SamplingDecision.RECORD_AND_SAMPLED }), toString: () => 'decided before' },
    traceExporter: new CountingExporter(exporterOf(options), queue, (error) => tellLost(lost, error)),
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': `barrage-${part}`, 'service.instance.id': instance })),
    // Command lines and users of a process are nobody's business; the environment's attributes win over ours.
    ...(isSet('OTEL_NODE_RESOURCE_DETECTORS') ? {} : { resourceDetectors: [resources.envDetector] }),
    textMapPropagator: null,
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  // From here on it could only repeat what is counted.
  diag.disable();
  return {
    tracer: new RecordingTracer(trace.getTracer('barrage'), queue, options),
    close: async () => {
      const late = new AbortController();
      const ended = sdk.shutdown().catch(nothing);
      await Promise.race([ended, sleep(closeMsMax, undefined, { signal: late.signal }).catch(nothing)]);
      late.abort();
    },
  };
}

/** While a collector is away, exports wait for each other; that is no news of their failure's reason. */
function tellLost(lost: { warn(error: unknown): unknown }, error: unknown): void {
  if (!(error instanceof Error && error.message.startsWith('Concurrent export limit'))) lost.warn(error);
}

function exporterOf({ settings }: RecordingOptions): tracing.SpanExporter {
  const isGiven = isSet('OTEL_EXPORTER_OTLP_TIMEOUT') || isSet('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT');
  const config = isGiven ? {} : { timeoutMillis: exportMsMax };
  return settings.otlpProtocol === 'http/json' ? new JsonExporter(config) : new ProtobufExporter(config);
}

function isSet(variable: string): boolean {
  return (process.env[variable] ?? '').trim() !== '';
}

function waitingMaxOf(environment: Readonly<Record<string, string | undefined>>): number {
  const given = Number(environment['OTEL_BSP_MAX_QUEUE_SIZE']);
  return given > 0 ? given : spansWaitingMax;
}

/**
 * The bound on finished spans that are not exported yet. It is kept here and not by the library, so that a full queue
 * begins no trace: a collector that is away costs nothing.
 */
class SpanQueue {
  readonly #waitingMax: number;
  readonly counts: TraceCounts;
  #waiting = 0;

  constructor(waitingMax: number, counts: TraceCounts) {
    this.#waitingMax = waitingMax;
    this.counts = counts;
  }

  get isFull(): boolean {
    return this.#waiting >= this.#waitingMax;
  }

  /** Takes a finished span, or counts it as dropped. */
  enter(): 'entered' | 'full' {
    if (this.isFull) {
      this.counts.spans('dropped', 1);
      return 'full';
    }
    this.#waiting++;
    return 'entered';
  }

  leave(result: 'exported' | 'failed', spans: number): void {
    this.#waiting -= spans;
    this.counts.spans(result, spans);
  }
}

class CountingExporter implements tracing.SpanExporter {
  readonly #inner: tracing.SpanExporter;
  readonly #queue: SpanQueue;
  readonly #onFailure: (error: unknown) => void;

  constructor(inner: tracing.SpanExporter, queue: SpanQueue, onFailure: (error: unknown) => void) {
    this.#inner = inner;
    this.#queue = queue;
    this.#onFailure = onFailure;
  }

  export(spans: tracing.ReadableSpan[], done: (result: core.ExportResult) => void): void {
    this.#inner.export(spans, (result) => {
      const isTaken = result.code === core.ExportResultCode.SUCCESS;
      this.#queue.leave(isTaken ? 'exported' : 'failed', spans.length);
      if (!isTaken) this.#onFailure(result.error ?? 'no reason given');
      done(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.#inner.forceFlush?.();
  }

  async shutdown(): Promise<void> {
    await this.#inner.shutdown();
  }
}

/** Unix times for the monotonic times of spans. It moves with the machine's clock only where that has drifted. */
class SpanClock {
  #originMs = performance.timeOrigin;

  /** @param at monotonic milliseconds */
  unixMs(at: number): number {
    const drift = Date.now() - performance.now() - this.#originMs;
    if (Math.abs(drift) > driftMsMax) this.#originMs += drift;
    return this.#originMs + at;
  }
}

/** What a span needs of its tracer. */
interface Recording {
  readonly tracer: LibraryTracer;
  readonly queue: SpanQueue;
  readonly clock: SpanClock;
}

class RecordedSpan implements Span {
  readonly #recording: Recording;
  readonly #span: LibrarySpan;
  readonly #startedAtMs: number;

  constructor(recording: Recording, name: SpanName, parent: Context, { at = performance.now(), attributes }: SpanStart = {}) {
    this.#recording = recording;
    this.#startedAtMs = recording.clock.unixMs(at);
    const start = { kind: kinds[spanTable[name].kind], startTime: this.#startedAtMs };
    this.#span = recording.tracer.startSpan(name, attributes === undefined ? start : { ...start, attributes }, parent);
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get traceparent(): string {
    return writeTraceparent(this.#span.spanContext());
  }

  child(name: SpanName, start?: SpanStart): Span {
    return new RecordedSpan(this.#recording, name, trace.setSpan(ROOT_CONTEXT, this.#span), start);
  }

  set(attributes: NonNullable<SpanStart['attributes']>): void {
    this.#span.setAttributes(attributes);
  }

  end({ at = performance.now(), fault }: { readonly at?: number | undefined; readonly fault?: string | undefined } = {}): void {
    if (fault !== undefined) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: fault });
    // The machine's clock may have been set back meanwhile.
    const endedAtMs = Math.max(this.#startedAtMs, this.#recording.clock.unixMs(at));
    if (this.#recording.queue.enter() === 'entered') this.#span.end(endedAtMs);
  }
}

/** Stands in the context of work whose trace is not sampled, so that its parts begin no traces of their own. */
const unsampled = Symbol('unsampled');

class RecordingTracer implements Tracer {
  readonly isOn = true;
  readonly #recording: Recording;
  readonly #sampling: Sampling;
  readonly #clientTraces = new TokenBucket(clientTracesPerSecondMax, performance.now());
  readonly #active = new AsyncLocalStorage<Span | typeof unsampled>();

  constructor(tracer: LibraryTracer, queue: SpanQueue, { sampling }: RecordingOptions) {
    this.#recording = { tracer, queue, clock: new SpanClock() };
    this.#sampling = sampling;
  }

  request(name: SpanName, origin: RequestOrigin, traceparent: string | undefined): Span | undefined {
    const parent = readTraceparent(traceparent);
    if (!isSampled(this.#sampling, parent, Math.random)) return undefined;
    const isForced = origin === 'client' && parent !== undefined;
    if (isForced && !this.#clientTraces.tryTake(performance.now(), clientTracesPerSecondMax, clientTracesPerSecondMax)) {
      this.#recording.queue.counts.skipped('client_rate', 1);
      return undefined;
    }
    return this.#begin(name, parent);
  }

  follow(name: SpanName, traceparent: string, start?: SpanStart): Span | undefined {
    const parent = readTraceparent(traceparent);
    const isWanted = parent?.isSampled === true && (this.#sampling.isParentBased || this.#sampling.ratio > 0);
    return isWanted ? this.#begin(name, parent, start) : undefined;
  }

  skipped(publications: number): void {
    this.#recording.queue.counts.skipped('flush_full', publications);
  }

  async within<T>(
    name: SpanName,
    { attributes, isRoot = false }: { readonly attributes?: NonNullable<SpanStart['attributes']>; readonly isRoot?: boolean },
    work: (span: Span | undefined) => Promise<T>,
  ): Promise<T> {
    const around = isRoot ? undefined : this.#active.getStore();
    const span = this.#inside(name, around);
    if (span === undefined) return await this.#active.run(unsampled, () => work(undefined));
    if (attributes !== undefined) span.set(attributes);
    try {
      const result = await this.#active.run(span, () => work(span));
      span.end();
      return result;
    } catch (error) {
      span.end({ fault: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  }

  #inside(name: SpanName, around: Span | typeof unsampled | undefined): Span | undefined {
    if (around === unsampled) return undefined;
    if (around !== undefined) return around.child(name);
    return isSampled(this.#sampling, undefined, Math.random) ? this.#begin(name, undefined) : undefined;
  }

  #begin(name: SpanName, parent: TraceParent | undefined, start?: SpanStart): Span | undefined {
    if (this.#recording.queue.isFull) {
      this.#recording.queue.counts.skipped('queue_full', 1);
      return undefined;
    }
    const { traceId = '', spanId = '' } = parent ?? {};
    const context =
      parent === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
    return new RecordedSpan(this.#recording, name, context, start);
  }
}
