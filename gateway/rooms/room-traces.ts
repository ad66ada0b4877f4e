import type { Clock } from '../../core/clock.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { LogBatch } from '../../core/publication.ts';
import { noTracer, type Tracer } from '../../core/trace.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import { FlushTrace, hasSampled, stillWaiting, withSampled, type SampledPublication, type TracedFlush } from './flush-traces.ts';

/** The traces of one room: sampled publications from their arrival to the end of the flush that has them. */
export class RoomTraces {
  readonly #tracer: Tracer;
  readonly #clock: Clock;
  readonly #metrics: GatewayMetrics;
  /** Sampled publications that are not cut yet; `undefined` = none. */
  #sampled: readonly SampledPublication[] | undefined;

  constructor({
    tracer = noTracer,
    clock,
    metrics,
  }: {
    /** Absent: no traces. */
    readonly tracer?: Tracer;
    readonly clock: Clock;
    readonly metrics: GatewayMetrics;
  }) {
    this.#tracer = tracer;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  received(batch: LogBatch): void {
    if (this.#tracer.isOn && hasSampled(batch)) this.#sampled = withSampled(this.#sampled, batch, this.#clock.monotonic(), this.#tracer);
  }

  /** Begins the spans of the sampled publications in a flush, if there are any. */
  begin(flush: Omit<TracedFlush, 'policy' | 'windowMs'>, policy: ChannelPolicy, windowMs: number): FlushTrace | undefined {
    const sampled = this.#sampled;
    if (sampled === undefined) return undefined;
    this.#sampled = stillWaiting(sampled, flush.cut);
    return FlushTrace.begin(this.#tracer, sampled, { ...flush, policy: policy.channel, windowMs });
  }

  /** The flush was written. */
  end(trace: FlushTrace): void {
    trace.end(this.#clock.monotonic());
    for (const { publication, traceId } of trace.sent) this.#metrics.latencyExemplar(publication, this.#clock.wall(), traceId);
  }
}
