/** What a W3C `traceparent` says (https://www.w3.org/TR/trace-context/). */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const sampledFlag = 1;

/** Longest `traceparent` that is looked at, in characters: later versions may append to the 55 of version 00. */
export const traceparentCharactersMax = 128;

/** Reads a `traceparent`; `undefined` where it is none, so that a new trace begins, as the standard asks. */
export function readTraceparent(text: string | undefined): TraceParent | undefined {
  if (text === undefined || text.length > traceparentCharactersMax) return undefined;
  const [, version = 'ff', traceId = '', spanId = '', flags = '', rest] = form.exec(text) ?? [];
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & sampledFlag) !== 0 };
}

/** The `traceparent` of a sampled span. */
export function writeTraceparent({ traceId, spanId }: Pick<TraceParent, 'traceId' | 'spanId'>): string {
  return `00-${traceId}-${spanId}-01`;
}

/** A `traceparent` to pass on by a process without traces: only of a sampled trace, since others need no bytes. */
export function sampledTraceparent(text: string | undefined): string | undefined {
  const parent = readTraceparent(text);
  return parent?.isSampled === true ? writeTraceparent(parent) : undefined;
}
