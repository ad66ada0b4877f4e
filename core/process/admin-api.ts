import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AdminStatus } from '../pool/admin-status.ts';
import { verifyCommand, type DrainCommand } from '../pool/drain-command.ts';
import { poolLimits } from '../pool/pool-document.ts';
import { BytesInFlight, readBody } from './bounded-read.ts';
import type { OfferResult, Pool } from './pool.ts';

/** The operator's access to a process. */
export interface AdminApiParts {
  readonly status: () => AdminStatus;
  readonly pool: Pool;
  /** Follows a command whose signature was verified; absent for a process without anything to drain. */
  readonly drain?: (command: DrainCommand) => CommandResult;
}

export type CommandResult =
  | { readonly kind: 'followed'; readonly state: AdminStatus['drain'] }
  | { readonly kind: 'refused'; readonly message: string };

interface Answer {
  readonly status: number;
  readonly body: object;
}

/** Document and policies are JSON strings in JSON: escaping adds up to a quarter. */
const poolBodyBytesMax = Math.ceil(1.25 * (poolLimits.policyPartsMax * poolLimits.policyPartBytesMax + 2 * poolLimits.documentBytesMax));
const commandBytesMax = 16_384;
const statusOf: Readonly<Record<OfferResult['kind'], number>> = {
  accepted: 200,
  same: 200,
  older: 409,
  conflict: 409,
  malformed: 400,
  forged: 403,
};

/**
 * The operator's endpoints, on the admin port only: `GET /admin/v1/status`, `PUT /admin/v1/pool`,
 * `PUT /admin/v1/drain`. Any sender may ask; a request that changes something must be signed. A signature is only known
 * after its body, so the bytes of all bodies being read are bounded together.
 */
export class AdminApi {
  readonly #parts: AdminApiParts;
  readonly #inFlight = new BytesInFlight(poolBodyBytesMax);

  constructor(parts: AdminApiParts) {
    this.#parts = parts;
  }

  /** Answers a request for one of its paths; `false` for any other path. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const path = request.url?.split('?', 1)[0];
    if (path === '/admin/v1/status') {
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      respond(response, isRead ? { status: 200, body: this.#parts.status() } : methodNotAllowed('GET'));
    } else if (path === '/admin/v1/pool') {
      void this.#put({ request, response }, poolBodyBytesMax, (text) => this.#pool(text));
    } else if (path === '/admin/v1/drain') {
      void this.#put({ request, response }, commandBytesMax, (text) => this.#drain(text));
    } else {
      return false;
    }
    return true;
  }

  async #pool(text: string): Promise<Answer> {
    const { kind, epoch, message } = await this.#parts.pool.offer(text);
    return { status: statusOf[kind], body: { epoch, ...(message === '' ? {} : { error: { code: kind, message } }) } };
  }

  #drain(text: string): Answer {
    const { drain, pool } = this.#parts;
    if (drain === undefined) return refusal(404, 'not_found', 'only gateways drain');
    if (pool.publicKeyPem === '') return refusal(403, 'forged', 'this process takes no commands: set BARRAGE_POOL_PUBLIC_KEY');
    const verified = verifyCommand(text, pool.publicKeyPem);
    if (verified.kind !== 'verified') return refusal(verified.kind === 'forged' ? 403 : 400, verified.kind, verified.fault);
    const result = drain(verified.command);
    return result.kind === 'followed' ? { status: 200, body: { drain: result.state } } : refusal(409, 'refused', result.message);
  }

  async #put(
    { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
    bytesMax: number,
    act: (text: string) => Answer | Promise<Answer>,
  ): Promise<void> {
    if (request.method !== 'PUT') return respond(response, methodNotAllowed('PUT'));
    const body = await readBody(request, bytesMax, this.#inFlight);
    if (body.kind === 'gone') return;
    if (body.kind !== 'whole') {
      request.resume();
      response.setHeader('connection', 'close');
      return respond(
        response,
        body.kind === 'full'
          ? refusal(503, 'busy', 'other bodies are being read: try again in a second')
          : refusal(413, 'too_large', `the body has more than ${bytesMax} bytes`),
      );
    }
    try {
      const { bytes } = body;
      respond(response, isUtf8(bytes) ? await act(bytes.toString()) : refusal(400, 'malformed', 'the body is not UTF-8'));
    } finally {
      this.#inFlight.leave(body.bytes.length);
    }
  }
}

function refusal(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}

function methodNotAllowed(allow: string): Answer {
  return refusal(405, 'method_not_allowed', `use ${allow}`);
}

function respond(response: ServerResponse, { status, body }: Answer): void {
  if (status === 503) response.setHeader('retry-after', '1');
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}
