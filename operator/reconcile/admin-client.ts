import { once } from 'node:events';
import { request as requestOf, type IncomingMessage } from 'node:http';
import { readAnswer, readChunks } from '../../core/process/bounded-read.ts';
import { readAdminStatus, type AdminStatus } from '../../core/pool/admin-status.ts';
import { bytesOf, type PushBody } from './pushes.ts';
import type { Told } from './told.ts';

const timeoutMs = 2_000;
/** Bound of an answer, in bytes. The largest status has some 10 kB. */
const answerBytesMax = 65_536;

/** Client of the pods' admin port. It never throws: a silent pod is an observation. */
export class AdminClient {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async status(address: string): Promise<AdminStatus | undefined> {
    const answer = await this.#ask(address, 'status', undefined);
    return answer?.status === 200 ? readAdminStatus(answer.text) : undefined;
  }

  /**
   * Sends a pool document. `fetch` would copy the body for each pod; here the socket writes the shared chunks.
   * @param body JSON `{"envelope": text, "policies": [text, …]}`
   * @param msMax time limit in milliseconds, from now
   */
  async putPool(address: string, body: PushBody, msMax: number): Promise<Told> {
    const headers = { 'content-type': 'application/json', 'content-length': bytesOf(body) };
    const path = '/admin/v1/pool';
    try {
      const signal = AbortSignal.timeout(msMax);
      const request = requestOf({ host: address, port: this.#port, path, method: 'PUT', headers, signal, agent: false });
      const answered = once(request, 'response', { signal }) as Promise<[IncomingMessage]>;
      // A pod may close the connection after its answer.
      request.on('error', () => {});
      for (const chunk of body) request.write(chunk);
      request.end();
      const [response] = await answered;
      const answer = await readChunks(response as AsyncIterable<Uint8Array>, answerBytesMax);
      if (answer.kind === 'whole') return toldBy({ status: response.statusCode ?? 0, text: answer.bytes.toString() });
      request.destroy();
      return { kind: 'silent' };
    } catch {
      return { kind: 'silent' };
    }
  }

  /** @param envelope a signed drain command */
  async putDrain(address: string, envelope: string): Promise<Told> {
    return toldBy(await this.#ask(address, 'drain', envelope));
  }

  async #ask(
    address: string,
    what: string,
    body: string | undefined,
  ): Promise<{ readonly status: number; readonly text: string } | undefined> {
    const host = address.includes(':') ? `[${address}]` : address;
    try {
      const response = await fetch(`http://${host}:${this.#port}/admin/v1/${what}`, {
        ...(body === undefined ? {} : { method: 'PUT', body, headers: { 'content-type': 'application/json' } }),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      const answer = await readAnswer(response, answerBytesMax);
      return answer.kind === 'whole' ? { status: response.status, text: answer.bytes.toString() } : undefined;
    } catch {
      return undefined;
    }
  }
}

function toldBy(answer: { readonly status: number; readonly text: string } | undefined): Told {
  if (answer === undefined) return { kind: 'silent' };
  return answer.status === 200 ? { kind: 'taken' } : { kind: 'refused', status: answer.status, message: answer.text.slice(0, 500) };
}
