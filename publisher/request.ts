import { z } from 'zod';
import { channelNameFault, parsePlainChannel } from '../core/channel.ts';
import { keyFault, keyOfHeader } from '../core/idempotency-key.ts';
import { issueWords, shown } from '../core/issue-words.ts';
import { parseJsonObject } from '../core/json.ts';
import { closeCodes, closeReasonBytesMax } from '../core/close-codes.ts';
import { limits } from '../core/limits.ts';
import { priorities, type Conflation, type PayloadKind, type Priority } from '../core/publication.ts';
import type { ConnectionCall } from '../core/bus/bus.ts';
import { publisherBounds } from './bounds.ts';

/** The value read, or its fault in words for its sender. */
export type Parsed<T> = { readonly kind: 'valid'; readonly value: T } | { readonly kind: 'fault'; readonly message: string };

export interface PublishRequest {
  readonly channel: string;
  readonly kind: PayloadKind;
  readonly payload: Buffer;
  readonly priority: Priority;
  readonly ttlMs: number;
  readonly conflation: Conflation | undefined;
  /** The user who wrote it; `undefined`: nobody is named. */
  readonly user: string | undefined;
  /** The sender's own text; a publication with the same one is published once. */
  readonly idempotencyKey: string | undefined;
  /** Longest wait for the flush results, in milliseconds; `undefined` = no wait. */
  readonly waitMs: number | undefined;
}

/** A request to send. Its client is as the sender named it; the look-up decides whether it is a client id. */
export interface SendRequest {
  readonly client: string | number;
  readonly kind: PayloadKind;
  readonly payload: Buffer;
}

export interface ConnectionRequest {
  readonly client: string | number;
  readonly call: ConnectionCall;
}

const string = z.string({ error: (issue) => (issue.input === undefined ? 'is missing' : 'must be a string') });
// Buffers hold UTF-8, which has no lone surrogates: another character than the sent one would arrive.
const wellFormed = string.refine((text) => text.isWellFormed(), 'is not well-formed Unicode (a lone surrogate)');
const client = z.union([z.string(), z.number()], {
  error: (issue) => (issue.input === undefined ? 'is missing' : 'must be a client id: a string or a number'),
});
const payloadKind = z.enum(['text', 'binary'], { error: 'must be "text" or "binary"' }).optional();

function integer(minimum: number, maximum: number): z.ZodInt {
  const error = `must be an integer from ${minimum} to ${maximum}`;
  return z.int({ error }).min(minimum, { error }).max(maximum, { error });
}

const channel = string.superRefine((name, context) => {
  const fault = channelNameFault(name);
  if (fault === undefined) return;
  const plain = parsePlainChannel(name);
  const hint = plain.kind === 'channel' ? ` (clients' ${name} is channel ${plain.name})` : '';
  context.addIssue({ code: 'custom', message: `${fault}${hint}` });
});

/** The name of a user: as long as one that has a channel of its own. */
export const user = wellFormed.refine(
  (name) => name !== '' && Buffer.byteLength(name) <= limits.userBytesMax,
  `must be 1 to ${limits.userBytesMax} bytes`,
);

// Defaults and rules between fields are applied after the schema: inside it they cost as much as all the rest.
const publishSchema = z.strictObject({
  c: channel,
  d: wellFormed,
  t: payloadKind,
  priority: z.enum(priorities, { error: `must be one of ${priorities.join(', ')}` }).optional(),
  ttlMs: integer(0, limits.ttlMsMax).optional(),
  conflateKey: wellFormed
    .refine((key) => key !== '' && Buffer.byteLength(key) <= limits.conflateKeyBytesMax, `must be 1 to ${limits.conflateKeyBytesMax} bytes`)
    .optional(),
  conflate: z.enum(['Latest', 'Sum'], { error: 'must be "Latest" or "Sum"' }).optional(),
  count: integer(1, limits.conflateCountMax).optional(),
  user: user.optional(),
  idempotencyKey: string
    .superRefine((text, context) => {
      const message = keyFault(text);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .optional(),
  wait: z.literal('delivered', { error: 'must be "delivered", or be left out' }).optional(),
  waitMs: integer(1, publisherBounds.waitMsMax).optional(),
});

function unmetNeeds({ conflate, conflateKey, count, wait, waitMs }: z.output<typeof publishSchema>): readonly string[] {
  const needs: string[] = [];
  if (conflate !== undefined && conflateKey === undefined) needs.push('conflate: needs conflateKey');
  if (count !== undefined && conflate !== 'Sum') needs.push('count: needs conflate "Sum"');
  if (waitMs !== undefined && wait === undefined) needs.push('waitMs: needs wait "delivered"');
  return needs;
}

const sendSchema = z.strictObject({ c: client, d: wellFormed, t: payloadKind });

/** Reads the fields of `mesh.publish`. */
export function parsePublish(fields: unknown): Parsed<PublishRequest> {
  const usual = channelAndData(fields);
  if (usual !== undefined) return { kind: 'valid', value: usual };
  const read = publishSchema.safeParse(fields, { error: issueWords });
  if (!read.success) return { kind: 'fault', message: faultOf(read.error) };
  const needs = unmetNeeds(read.data);
  if (needs.length > 0) return { kind: 'fault', message: needs.join('; ') };
  const { c, d, t = 'text', priority = 'normal', ttlMs = 0, conflateKey, conflate, count, wait, waitMs } = read.data;
  const payload = decodePayload(t, d);
  if (payload === undefined) return notBase64;
  return {
    kind: 'valid',
    value: {
      channel: c,
      kind: t,
      payload,
      priority,
      ttlMs,
      conflation: conflateKey === undefined ? undefined : { key: conflateKey, mode: conflate ?? 'Latest', count: count ?? 1 },
      user: read.data.user,
      idempotencyKey: read.data.idempotencyKey,
      waitMs: wait === undefined ? undefined : (waitMs ?? publisherBounds.waitMsDefault),
    },
  };
}

/**
 * Reads a publication of a channel and data alone, which is what most are; `undefined` for any other, and for a fault.
 * It has the schema's result, and a seventh of a publication's whole cost is saved.
 */
function channelAndData(fields: unknown): PublishRequest | undefined {
  if (typeof fields !== 'object' || fields === null) return undefined;
  for (const name in fields) if (name !== 'c' && name !== 'd') return undefined;
  const { c, d } = fields as { readonly c?: unknown; readonly d?: unknown };
  if (typeof c !== 'string' || channelNameFault(c) !== undefined || typeof d !== 'string' || !d.isWellFormed()) return undefined;
  const payload = Buffer.from(d);
  return {
    channel: c,
    kind: 'text',
    payload,
    priority: 'normal',
    ttlMs: 0,
    conflation: undefined,
    user: undefined,
    idempotencyKey: undefined,
    waitMs: undefined,
  };
}

/** Reads the fields of `mesh.send`. */
export function parseSend(fields: unknown): Parsed<SendRequest> {
  const read = sendSchema.safeParse(fields, { error: issueWords });
  if (!read.success) return { kind: 'fault', message: faultOf(read.error) };
  const { c, d, t = 'text' } = read.data;
  const payload = decodePayload(t, d);
  if (payload === undefined) return notBase64;
  return { kind: 'valid', value: { client: c, kind: t, payload } };
}

const notBase64 = { kind: 'fault', message: 'd: is not base64, as "t":"binary" requires (standard alphabet, with padding)' } as const;

function decodePayload(kind: PayloadKind, data: string): Buffer | undefined {
  if (kind === 'text') return Buffer.from(data);
  const bytes = Buffer.from(data, 'base64');
  // Node's decoder skips characters that are not base64; only an unchanged round trip proves base64.
  return bytes.toString('base64') === data ? bytes : undefined;
}

const channels = z
  .array(channel, { error: 'must be a list of channel names' })
  .min(1, { error: 'names no channel' })
  .max(limits.subscriptionsPerConnectionMax, { error: `names more than ${limits.subscriptionsPerConnectionMax} channels` });
const contextKey = wellFormed.min(1, { error: 'must not be empty' }).max(limits.contextBytesMax, { error: 'is too long' });
const contextValue = z.unknown().superRefine((value, context) => {
  for (const message of contextFaults(value)) context.addIssue({ code: 'custom', message });
});
const contextObject = z
  .custom<Readonly<Record<string, unknown>>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    error: 'must be an object',
  })
  .superRefine((value, context) => {
    for (const message of contextFaults(value)) context.addIssue({ code: 'custom', message });
  });

function contextFaults(value: unknown): readonly string[] {
  const faults = [];
  if (Buffer.byteLength(JSON.stringify(value) ?? '') > limits.contextBytesMax)
    faults.push(`is larger than ${limits.contextBytesMax} bytes`);
  if (!keepsNumbers(value)) faults.push('holds a number beyond 2^53, which loses digits: send it as a string');
  return faults;
}

const closeFault = `must be [] or [reason], a reason of 1 to ${closeReasonBytesMax} bytes`;
const closeReason = wellFormed.refine((text) => text !== '' && Buffer.byteLength(text) <= closeReasonBytesMax, { error: closeFault });

const callSchemas = {
  subscribe: channels,
  unsubscribe: channels,
  set_context_value: z.tuple([contextKey, contextValue], { error: 'must be [key, value]' }),
  set_context: z.tuple([contextObject], { error: 'must be [object]' }),
  reconnect: z.tuple([z.enum(['websocket', 'sse', 'pull'])], { error: 'must be ["websocket"], ["sse"] or ["pull"]' }),
  close: z.array(closeReason, { error: closeFault }).max(1, { error: closeFault }),
} as const;
const callNames = Object.keys(callSchemas).join(', ');

const connectionSchema = z.discriminatedUnion(
  'f',
  [
    z.strictObject({ c: client, f: z.literal('subscribe'), a: callSchemas.subscribe }),
    z.strictObject({ c: client, f: z.literal('unsubscribe'), a: callSchemas.unsubscribe }),
    z.strictObject({ c: client, f: z.literal('set_context_value'), a: callSchemas.set_context_value }),
    z.strictObject({ c: client, f: z.literal('set_context'), a: callSchemas.set_context }),
    z.strictObject({ c: client, f: z.literal('reconnect'), a: callSchemas.reconnect }),
    z.strictObject({ c: client, f: z.literal('close'), a: callSchemas.close }),
  ],
  { error: `must be one of ${callNames}` },
);

/** Reads the parameters of `conn.call`. */
export function parseConnectionCall(fields: unknown): Parsed<ConnectionRequest> {
  const read = connectionSchema.safeParse(fields, { error: issueWords });
  if (!read.success) return { kind: 'fault', message: faultOf(read.error) };
  return { kind: 'valid', value: { client: read.data.c, call: connectionCallOf(read.data) } };
}

function connectionCallOf(fields: z.output<typeof connectionSchema>): ConnectionCall {
  switch (fields.f) {
    case 'subscribe':
    case 'unsubscribe':
      return { kind: fields.f, channels: fields.a };
    case 'set_context_value':
      return { kind: 'set-context-value', key: fields.a[0], value: fields.a[1] };
    case 'set_context':
      return { kind: 'set-context', context: fields.a[0] };
    case 'reconnect':
      return { kind: 'reconnect', transport: fields.a[0] };
    case 'close':
      return { kind: 'close', reason: fields.a[0] ?? closeCodes.forbidden.reason };
  }
}

/** Whether every number in a JSON value kept its value: integers up to 2^53−1, and all other numbers. */
function keepsNumbers(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(keepsNumbers);
}

/** The `i` of a WebSocket API answer: the request's `i` or `id`. */
export type RequestNumber = number | string | null;

export interface SocketRequest {
  readonly method: string;
  readonly params: unknown;
  readonly traceparent: string | undefined;
}

const requestNumberCharactersMax = 128;

/** Reads one WebSocket API frame. A fault also carries a readable request number, so that the sender can match it. */
export function parseSocketRequest(text: string): { readonly number: RequestNumber; readonly request: Parsed<SocketRequest> } {
  const parsed = parseJsonObject(text);
  if (parsed.kind === 'fault') return { number: null, request: parsed };
  const { m, p, i, id, traceparent, ...others } = parsed.value;
  const number = i ?? id ?? null;
  const fault = (message: string): { number: RequestNumber; request: Parsed<SocketRequest> } => ({
    number: isRequestNumber(number) ? number : null,
    request: { kind: 'fault', message },
  });
  if (!isRequestNumber(number))
    return fault(`i: must be an integer within ±(2^53−1), or a string of at most ${requestNumberCharactersMax} characters`);
  if (i !== undefined && id !== undefined) return fault('i and id are two names of one field: send one');
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) return fault(`unknown field ${shown(unknown)} (a request has m, p, i and traceparent)`);
  if (typeof m !== 'string') return fault(`m: ${m === undefined ? 'is missing' : 'must be a string'}`);
  if (traceparent !== undefined && typeof traceparent !== 'string') return fault('traceparent: must be a string');
  return { number, request: { kind: 'valid', value: { method: m, params: p, traceparent } } };
}

function isRequestNumber(value: unknown): value is RequestNumber {
  if (typeof value === 'string') return value.length <= requestNumberCharactersMax;
  return value === null || Number.isSafeInteger(value);
}

/** Adds the fields in a POST's query to those of its body; `allowed` are the fields that may stand there. */
export function withQuery(
  fields: Readonly<Record<string, unknown>>,
  query: string,
  allowed: readonly string[],
): Parsed<Readonly<Record<string, unknown>>> {
  if (query === '') return { kind: 'valid', value: fields };
  const all: Record<string, unknown> = { ...fields };
  for (const [name, value] of new URLSearchParams(query)) {
    if (!allowed.includes(name))
      return { kind: 'fault', message: `unknown query parameter ${shown(name)} (there are: ${allowed.join(', ') || 'none'})` };
    if (Object.hasOwn(all, name)) return { kind: 'fault', message: `${name}: is given twice` };
    all[name] = name === 'waitMs' && /^[0-9]{1,9}$/.test(value) ? Number(value) : value;
  }
  return { kind: 'valid', value: all };
}

/** Adds the header `Idempotency-Key` to the fields of a body. @param header `undefined`: the request has none */
export function withKeyHeader(
  fields: Readonly<Record<string, unknown>>,
  header: string | undefined,
): Parsed<Readonly<Record<string, unknown>>> {
  if (header === undefined) return { kind: 'valid', value: fields };
  if (Object.hasOwn(fields, 'idempotencyKey'))
    return { kind: 'fault', message: 'idempotencyKey: is given twice, as a header and in the body' };
  return { kind: 'valid', value: { ...fields, idempotencyKey: keyOfHeader(header) } };
}

const faultsShownMax = 5;

/** The faults of fields in words. */
export function faultOf(error: z.ZodError): string {
  return [...new Set(error.issues.map(issueInWords))].slice(0, faultsShownMax).join('; ');
}

function issueInWords(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return issue.message;
  const field = issue.path.map(String).join('.');
  return field === '' ? 'the parameters must be an object' : `${field}: ${issue.message}`;
}
