import { readAnswer } from '../../core/process/bounded-read.ts';
import { readAdminStatus, type AdminStatus } from '../../core/pool/admin-status.ts';

/** A pod's answer to a push or a command. `refused` carries the pod's reason in `message`. */
export type Told =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  | { readonly kind: 'silent' };

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
   * @param envelope the signed pool document
   * @param policies the policy parts, in order
   */
  async putPool(address: string, envelope: string, policies: readonly string[]): Promise<Told> {
    return toldBy(await this.#ask(address, 'pool', JSON.stringify({ envelope, policies })));
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
