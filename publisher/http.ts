import type { IncomingMessage, ServerResponse } from 'node:http';
import { MIMEType } from 'node:util';
import type { Clock } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { readBody, type BytesInFlight } from '../core/process/bounded-read.ts';
import type { Access } from './access.ts';
import type { BatchPublishing } from './batch.ts';
import { publisherBounds } from './bounds.ts';
import { discardBody, parseBody } from './body.ts';
import { answerBody, refusals, refuse, tooMany, type Outcome, type Refusal } from './errors.ts';
import type { Mesh, RequestTrace } from './mesh.ts';
import type { PublisherMetrics } from './metrics.ts';
import { isHistoryPath } from './history-request.ts';
import type { HistoryReader } from './history-reader.ts';
import { endTurnWith, noTurn, type HistoryTurns } from './history-turns.ts';
import type { MeshOperation, Operation } from './operation-seconds.ts';
import type { Span, SpanName, Tracer } from '../core/trace.ts';
import { recallOperationOf, type RecallOperation } from './recall-request.ts';
import type { Recalls } from './recalls.ts';
import { withKeyHeader, withQuery } from './request.ts';
import type { RequestLog } from './request-log.ts';

export const socketPath = '/ws/v1';
type PostOperation = MeshOperation | 'publish' | RecallOperation;
const operations = new Map<string, PostOperation>([
  ['/v1/mesh/publish', 'mesh.publish'],
  ['/v1/mesh/send', 'mesh.send'],
  ['/v1/conn/call', 'conn.call'],
  ['/v1/publish', 'publish'],
]);
const spans = new Map<string, SpanName>([
  ['/v1/mesh/publish', 'POST /v1/mesh/publish'],
  ['/v1/mesh/send', 'POST /v1/mesh/send'],
  ['/v1/conn/call', 'POST /v1/conn/call'],
  ['/v1/publish', 'POST /v1/publish'],
]);

/** Fields that may stand in the query instead of the body: those about the request, not about the publication. */
const queryFields = new Map<Operation, readonly string[]>([['mesh.publish', ['wait', 'waitMs']]]);

interface HttpParts {
  readonly access: Access;
  readonly mesh: Mesh;
  readonly batch: BatchPublishing;
  readonly recalls: Recalls;
  readonly history: HistoryReader;
  readonly turns: HistoryTurns;
  readonly clock: Pick<Clock, 'after'>;
  readonly inFlight: BytesInFlight;
  readonly metrics: PublisherMetrics;
  readonly tracer: Tracer;
  readonly log: RequestLog;
}

/**
 * The HTTP half of the publish API: `POST /v1/mesh/publish`, `POST /v1/mesh/send`, `POST /v1/conn/call`, `POST
 * /v1/publish`, and of `/v1/channels/{channel}` `POST …/recall`, `POST …/clear` and `GET …/history`.
 */
export class HttpApi {
  readonly #parts: HttpParts;
  #requests = 0;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  /** Answers one request; never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { path, query } = splitUrl(request.url ?? '');
    const operation = operations.get(path) ?? recallOperationOf(path);
    if (operation === undefined && isHistoryPath(path)) return this.#answerHistory(request, response, { path, query });
    if (operation === undefined) return respond(response, refuse('notFound', notFoundWords(path)));
    const refusal = this.#headFault(request);
    if (refusal !== undefined) {
      if (refusal.reason !== 'methodNotAllowed') this.#parts.metrics.count(operation, refusal);
      if (refusal.reason === 'notAuthorised') this.#parts.log.keyRefused(request, refusal.message);
      else this.#parts.log.refused(operation, refusal);
      return respond(response, refusal);
    }
    const { inFlight } = this.#parts;
    const span = this.#span(path, request);
    this.#requests++;
    const body = await readBody(request, limits.requestBytesMax, inFlight);
    try {
      if (body.kind === 'whole') {
        const key = header(request, 'idempotency-key');
        const outcome = await this.#run(operation, { bytes: body.bytes, path, query, key }, { span, traceparent: traceparentOf(request) });
        respond(response, outcome);
        if (span !== undefined) endSpan(span, outcome);
      } else if (body.kind === 'gone') {
        span?.end({ fault: 'the sender went away' });
      } else {
        const refusal = await this.#refuseBody(operation, body.kind, { request, response });
        if (span !== undefined) endSpan(span, refusal);
      }
    } finally {
      if (body.kind === 'whole') inFlight.leave(body.bytes.length);
      this.#requests--;
    }
  }

  async #answerHistory(
    request: IncomingMessage,
    response: ServerResponse,
    { path, query }: { readonly path: string; readonly query: string },
  ): Promise<void> {
    const { history, turns, clock, log } = this.#parts;
    const refusal = request.method === 'GET' ? this.#accessFault(request) : refuse('getOnly', 'use GET');
    if (refusal !== undefined) {
      if (refusal.reason === 'notAuthorised') log.keyRefused(request, refusal.message);
      else log.refused('history', refusal);
      return respond(response, refusal);
    }
    this.#requests++;
    try {
      const end = await turns.take();
      if (end === undefined) {
        log.refused('history', noTurn());
        return respond(response, noTurn());
      }
      const outcome = await history.answer(path, query);
      endTurnWith(response, end, clock);
      respond(response, outcome);
    } finally {
      this.#requests--;
    }
  }

  /** The fault of a request before its body is read. */
  #headFault(request: IncomingMessage): Refusal | undefined {
    if (request.method !== 'POST') return refuse('methodNotAllowed', 'use POST');
    const fault = this.#accessFault(request);
    if (fault !== undefined) return fault;
    if (!isJson(request.headers['content-type'])) return refuse('contentType', 'send content-type: application/json, in UTF-8');
    if (request.headers['content-encoding'] !== undefined) return refuse('contentType', 'send the body without a content-encoding');
    return undefined;
  }

  #accessFault(request: IncomingMessage): Refusal | undefined {
    const fault = this.#parts.access.fault(request.headers);
    if (fault !== undefined) return refuse('notAuthorised', fault);
    if (this.#requests >= publisherBounds.httpRequestsInFlightMax) return tooMany('too many requests at one time, repeat', 1);
    return undefined;
  }

  /** The span of an admitted request, if it is sampled. */
  #span(path: string, request: IncomingMessage): Span | undefined {
    const { tracer } = this.#parts;
    const name = spans.get(path);
    if (!tracer.isOn || name === undefined) return undefined;
    const span = tracer.request(name, 'backend', traceparentOf(request));
    span?.set({ 'http.request.method': 'POST', 'http.route': path });
    return span;
  }

  /** Carries out the request of a whole body. */
  #run(
    operation: PostOperation,
    {
      bytes,
      path,
      query,
      key,
    }: { readonly bytes: Buffer; readonly path: string; readonly query: string; readonly key: string | undefined },
    trace: RequestTrace,
  ): Outcome | Promise<Outcome> {
    const { mesh, batch, recalls } = this.#parts;
    const parsed = parseBody(bytes);
    const asked = parsed.kind === 'fault' ? parsed : withQuery(parsed.value, query, queryFields.get(operation) ?? []);
    if (asked.kind === 'fault') return this.#badArguments(operation, asked.message);
    if (operation === 'publish') return batch.run(asked.value, key, trace);
    if (operation === 'recall' || operation === 'clear') return recalls.run(operation, { path, fields: asked.value, key });
    if (key !== undefined && operation !== 'mesh.publish')
      return this.#badArguments(operation, `${operation} takes no Idempotency-Key: leave the header out`);
    const fields = withKeyHeader(asked.value, key);
    return fields.kind === 'fault' ? this.#badArguments(operation, fields.message) : mesh.run(operation, fields.value, trace);
  }

  #badArguments(operation: PostOperation, message: string): Refusal {
    const refusal = refuse('badArguments', message);
    this.#parts.metrics.count(operation, refusal);
    this.#parts.log.refused(operation, refusal);
    return refusal;
  }

  async #refuseBody(
    operation: Operation,
    fault: 'full' | 'too-large',
    { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  ): Promise<Refusal> {
    const refusal =
      fault === 'full'
        ? tooMany('too many bytes of requests at one time, repeat', 1)
        : refuse('tooLarge', 'the body is larger than 2 MiB; a payload may have 1 MiB, and what its channel allows');
    this.#parts.metrics.count(operation, refusal);
    this.#parts.log.refused(operation, refusal);
    await respondWhileSending(request, response, refusal);
    return refusal;
  }
}

function splitUrl(url: string): { readonly path: string; readonly query: string } {
  const mark = url.indexOf('?');
  return mark < 0 ? { path: url, query: '' } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
}

function notFoundWords(path: string): string {
  if (path === socketPath) return `${socketPath} is the WebSocket API: open a WebSocket`;
  return `there is nothing here; there are POST ${[...operations.keys()].join(', POST ')}, POST /v1/channels/{channel}/recall and /clear, GET /v1/channels/{channel}/history and the WebSocket ${socketPath}`;
}

/**
 * Whether a content type means JSON in UTF-8: `application/json`, or a format based on it
 * (`application/cloudevents+json`). Names are read in any case, and a charset with or without quotes. JSON gives other
 * parameters no meaning (RFC 8259 11).
 */
export function isJson(contentType: string | undefined): boolean {
  if (contentType === undefined) return false;
  if (contentType === 'application/json') return true;
  let type: MIMEType;
  try {
    type = new MIMEType(contentType);
  } catch {
    return false;
  }
  const charset = type.params.get('charset') ?? 'utf-8';
  return type.type === 'application' && /^(?:json|.+\+json)$/.test(type.subtype) && /^(?:utf-?8|us-ascii)$/i.test(charset.trim());
}

function traceparentOf(request: IncomingMessage): string | undefined {
  return header(request, 'traceparent');
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** Ends a request's span. A refusal is its sender's affair; a failure of this side marks the span as an error. */
function endSpan(span: Span, outcome: Outcome): void {
  const status = outcome.kind === 'done' ? 200 : refusals[outcome.reason].status;
  span.set({ 'http.response.status_code': status, ...resultOf(outcome) });
  span.end(status >= 500 ? { fault: resultOf(outcome)['barrage.result'] } : {});
}

/** The result of a request as an attribute. */
export function resultOf(outcome: Outcome): { readonly 'barrage.result': string } {
  return { 'barrage.result': outcome.kind === 'done' ? 'done' : outcome.reason };
}

/** Status, headers and body of an answer; the upgrade listener writes them to a bare socket. */
export function answerOf(outcome: Outcome): { readonly status: number; readonly headers: Record<string, string>; readonly text: string } {
  const text = JSON.stringify(answerBody(outcome));
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(text)),
  };
  if (outcome.kind === 'done') return { status: 200, headers, text };
  if (outcome.retryAfterSeconds !== undefined) headers['retry-after'] = String(outcome.retryAfterSeconds);
  if (outcome.reason === 'notAuthorised') headers['www-authenticate'] = 'Bearer';
  if (outcome.reason === 'methodNotAllowed') headers['allow'] = 'POST';
  if (outcome.reason === 'getOnly') headers['allow'] = 'GET';
  return { status: refusals[outcome.reason].status, headers, text };
}

function respond(response: ServerResponse, outcome: Outcome): void {
  if (outcome.kind === 'done') return respondDone(response, outcome.result);
  const { status, headers, text } = answerOf(outcome);
  response.writeHead(status, headers).end(text);
}

/** Sends the same answer as `answerOf`, at a lower cost. */
function respondDone(response: ServerResponse, result: Readonly<Record<string, unknown>>): void {
  const text = `{"E":null,"r":${JSON.stringify(result)}}`;
  response.writeHead(200, ['content-type', 'application/json; charset=utf-8', 'content-length', String(Buffer.byteLength(text))]).end(text);
}

/** Refuses a request whose body is still arriving, and ends its connection. */
async function respondWhileSending(request: IncomingMessage, response: ServerResponse, refusal: Refusal): Promise<void> {
  const { status, headers, text } = answerOf(refusal);
  response.writeHead(status, { ...headers, connection: 'close' }).write(text);
  await discardBody(request);
  response.end();
}
