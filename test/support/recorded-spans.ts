import type { Span, SpanAttributes, SpanName, SpanStart, Tracer } from '../../core/trace.ts';
import { readTraceparent, writeTraceparent } from '../../core/traceparent.ts';

/** A span that keeps what it was told. */
export class RecordedSpan implements Span {
  readonly traceId: string;
  readonly traceparent: string;
  readonly name: SpanName;
  readonly children: RecordedSpan[] = [];
  attributes: SpanAttributes;
  readonly startedAt: number | undefined;
  ended: { readonly at?: number | undefined; readonly fault?: string | undefined } | undefined;

  constructor(name: SpanName, traceparent: string, { at, attributes = {} }: SpanStart = {}) {
    const parent = readTraceparent(traceparent);
    this.traceId = parent?.traceId ?? '';
    this.name = name;
    this.traceparent = writeTraceparent({ traceId: this.traceId, spanId: name.padEnd(16, '0').slice(0, 16) });
    this.attributes = attributes;
    this.startedAt = at;
  }

  child(name: SpanName, start?: SpanStart): Span {
    const child = new RecordedSpan(name, this.traceparent, start);
    this.children.push(child);
    return child;
  }

  set(attributes: SpanAttributes): void {
    this.attributes = { ...this.attributes, ...attributes };
  }

  end(end: NonNullable<RecordedSpan['ended']> = {}): void {
    this.ended = end;
  }
}

/** A tracer that goes on with every trace, and keeps the spans. */
export class RecordingTracer implements Tracer {
  readonly isOn = true;
  readonly spans: RecordedSpan[] = [];
  skippedPublications = 0;

  request(name: SpanName, _origin: unknown, traceparent: string | undefined): Span {
    return this.follow(name, traceparent ?? `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`);
  }

  follow(name: SpanName, traceparent: string, start?: SpanStart): Span {
    const span = new RecordedSpan(name, traceparent, start);
    this.spans.push(span);
    return span;
  }

  skipped(publications: number): void {
    this.skippedPublications += publications;
  }

  async within<T>(name: SpanName, _options: unknown, work: (span: Span | undefined) => Promise<T>): Promise<T> {
    return await work(this.request(name, 'backend', undefined));
  }
}
