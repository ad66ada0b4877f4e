import type { LogBatch, Publication } from '../../core/publication.ts';
import type { Span, Tracer } from '../../core/trace.ts';
import type { Cut } from '../merging/cut.ts';
import type { LeftOutReason } from '../merging/left-out.ts';
import type { Delivery } from './delivery.ts';
import type { WriteMarks } from './fan-out.ts';
import type { ClassRecord } from './flush-records.ts';
import type { Member } from './members.ts';

/** Most sampled publications of one room that wait for a cut, or that one flush has spans for. */
export const tracedPerFlushMax = 8;

/** A sampled publication that is not cut yet. */
export interface SampledPublication {
  readonly epoch: string;
  readonly offset: number;
  readonly publication: Publication;
  readonly traceparent: string;
  /** Arrival from the bus, in monotonic milliseconds. */
  readonly receivedAt: number;
}

/** Whether a batch holds a sampled publication. Nearly none does, so this is asked before anything else. */
export function hasSampled({ publications }: LogBatch): boolean {
  for (const { traceparent } of publications) if (traceparent !== undefined) return true;
  return false;
}

/** The sampled publications of a batch, behind those that wait already. */
export function withSampled(
  waiting: readonly SampledPublication[] | undefined,
  { epoch, firstOffset, publications }: LogBatch,
  receivedAt: number,
  tracer: Tracer,
): readonly SampledPublication[] {
  const all = [...(waiting ?? [])];
  let offset = firstOffset;
  for (const publication of publications) {
    const { traceparent } = publication;
    if (traceparent !== undefined) {
      if (all.length < tracedPerFlushMax) all.push({ epoch, offset, publication, traceparent, receivedAt });
      else tracer.skipped(1);
    }
    offset++;
  }
  return all;
}

/** The sampled publications that wait after a cut; `undefined`: none does. */
export function stillWaiting(
  waiting: readonly SampledPublication[],
  cut: Pick<Cut, 'epoch' | 'upto'>,
): readonly SampledPublication[] | undefined {
  const rest = waiting.filter(({ epoch, offset }) => epoch !== cut.epoch || offset > cut.upto);
  return rest.length === 0 ? undefined : rest;
}

/** What a flush is, as far as its spans tell. */
export interface TracedFlush {
  readonly cut: Cut;
  readonly classes: readonly ClassRecord[];
  readonly deliveries: readonly Delivery<Member>[];
  /** Pattern of the policy in force. */
  readonly policy: string;
  readonly windowMs: number;
  /** When the window was cut, in monotonic milliseconds. */
  readonly cutAt: number;
}

interface TracedPublication {
  readonly span: Span;
  readonly sampled: SampledPublication;
  readonly isSent: boolean;
}

/** The spans of one flush: one for each sampled publication in it, in the trace of that publication. */
export class FlushTrace {
  readonly marks: WriteMarks = { firstAt: undefined, lastAt: 0 };
  readonly #flush: TracedFlush;
  readonly #traced: readonly TracedPublication[];

  private constructor(flush: TracedFlush, traced: readonly TracedPublication[]) {
    this.#flush = flush;
    this.#traced = traced;
  }

  /** @returns `undefined` when none of the sampled publications is in this flush */
  static begin(tracer: Tracer, waiting: readonly SampledPublication[], flush: TracedFlush): FlushTrace | undefined {
    const { epoch, after, upto } = flush.cut;
    const traced = waiting
      .filter((sampled) => sampled.epoch === epoch && sampled.offset > after && sampled.offset <= upto)
      .flatMap((sampled): readonly TracedPublication[] => {
        const span = tracer.follow('flush', sampled.traceparent, { at: sampled.receivedAt });
        if (span === undefined) return [];
        const left = leftOut(flush.classes, sampled.offset);
        span.set({ ...attributesOf(flush, sampled), ...left.attributes });
        return [{ span, sampled, isSent: left.isSent }];
      });
    return traced.length === 0 ? undefined : new FlushTrace(flush, traced);
  }

  /** Trace ids of the publications that were sent to anybody: exemplars of their latencies. */
  get sent(): readonly { readonly publication: Publication; readonly traceId: string }[] {
    return this.#traced.flatMap(({ span, sampled, isSent }) =>
      isSent ? [{ publication: sampled.publication, traceId: span.traceId }] : [],
    );
  }

  /** Ends the spans, when every member was served, queued or passed over. */
  end(now: number): void {
    const { firstAt = now, lastAt } = this.marks;
    const results = this.#flush.classes.flatMap(({ delivery }) => delivery?.result() ?? []);
    const sum = (read: (result: (typeof results)[number]) => number): number => results.reduce((total, each) => total + read(each), 0);
    const attributes = {
      'barrage.write.delivered': sum(({ delivered }) => delivered),
      'barrage.write.pending': sum(({ pending }) => pending),
      'barrage.write.slow': sum(({ slow }) => slow),
      'barrage.write.disconnected': sum(({ disconnected }) => disconnected),
    };
    const endedAt = Math.max(firstAt, lastAt);
    for (const { span } of this.#traced) {
      if (results.length > 0) span.child('write', { at: firstAt, attributes }).end({ at: endedAt });
      span.end({ at: endedAt });
    }
  }
}

function attributesOf({ cut, classes, deliveries, policy, windowMs, cutAt }: TracedFlush, { offset, receivedAt }: SampledPublication) {
  const offered = cut.offered.reduce((total, count) => total + count, 0);
  return {
    'barrage.policy': policy,
    'barrage.offset': offset,
    'barrage.members': classes.reduce((total, { members }) => total + members, 0),
    'barrage.flush.publications': offered,
    'barrage.flush.window_ms': windowMs,
    'barrage.flush.collected_ms': Math.round((cutAt - receivedAt) * 1000) / 1000,
    'barrage.flush.bytes': deliveries.reduce((total, { frame, members }) => total + frame.length * members.length, 0),
    'barrage.flush.left_out': classes.reduce((total, { members, dropped }) => total + members * (dropped?.total ?? 0), 0),
  };
}

/** The members for whom one publication is left out, with the first reason. */
function leftOut(classes: readonly ClassRecord[], offset: number) {
  let reason: LeftOutReason | undefined;
  let without = 0;
  let all = 0;
  for (const { members, dropped } of classes) {
    all += members;
    const why = dropped?.reasonOf(offset);
    if (why === undefined) continue;
    without += members;
    reason ??= why;
  }
  const attributes = reason === undefined ? {} : { 'barrage.publication.left_out': without, 'barrage.publication.left_out_reason': reason };
  return { isSent: without < all, attributes };
}
