import { signCommand, type DrainCommand } from '../../core/pool/drain-command.ts';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import { clientsPortFault, operationsElsewhere } from '../view/port-words.ts';
import type { ProcessReading } from '../view/reading.ts';
import { ask, inParallel } from './ask.ts';
import { questionProcess } from './process-question.ts';
import type { PublisherEnd } from './publishing.ts';

/** The addresses that a command without Kubernetes is given. */
export interface UrlOptions {
  /** Gateways, by the clients' port. */
  readonly urls: readonly string[];
  /** Their admin ports; empty: the same as `urls`. */
  readonly adminUrls: readonly string[];
  readonly publisherUrl: string;
  readonly key: Secret | undefined;
}

/** A key or token, and where it is from. */
export interface Secret {
  readonly value: string;
  readonly source: string;
}

/** Why clients can't connect. */
export interface ConnectFaults {
  /** `undefined`: no cause is known. */
  readonly words: string | undefined;
  /** No URL is left that may be reached. */
  readonly isEverywhere: boolean;
}

/** Gateways and publishers by their URLs. */
export class UrlPlace {
  readonly kind = 'urls';
  readonly #admin: readonly URL[];
  readonly #clients: readonly URL[];
  readonly #publisher: URL;
  readonly #key: Secret | undefined;

  /** @throws CommandFault `usage` for what is no http or https URL */
  constructor({ urls, adminUrls, publisherUrl, key }: UrlOptions) {
    this.#clients = urls.map((text) => httpUrl('--url', text));
    this.#admin = adminUrls.length === 0 ? this.#clients : adminUrls.map((text) => httpUrl('--admin-url', text));
    this.#publisher = httpUrl('--publisher-url', publisherUrl);
    this.#key = key;
  }

  /** Asks every gateway. */
  async readings(now: () => number): Promise<readonly ProcessReading[]> {
    return inParallel(this.#admin, bounds.tunnelsMax, async (url) => {
      const name = url.host;
      const answer = await questionProcess({ url, name }, now);
      const told = answer.kind === 'told' ? answer.status : undefined;
      return {
        name: told?.name ?? name,
        role: told?.role ?? 'gateway',
        pool: undefined,
        node: undefined,
        observed: undefined,
        restarts: 0,
        answer,
      };
    });
  }

  /** What `/readyz` of every gateway says. @throws CommandFault where one can't be reached */
  async readiness(): Promise<readonly { readonly url: string; readonly isReady: boolean; readonly words: string }[]> {
    return inParallel(this.#admin, bounds.tunnelsMax, async (url) => {
      const { status, text } = await ask({ url: new URL('/readyz', url), name: url.host });
      const words = status === 404 ? operationsElsewhere : text.trim().slice(0, 1000);
      return { url: url.origin, isReady: status === 200, words };
    });
  }

  publisher(): PublisherEnd {
    const url = this.#publisher;
    return { url, name: url.host, key: this.#key?.value, keySource: this.#key?.source ?? '' };
  }

  /** Asks every clients' port by HTTP why no connection is made: a WebSocket does not tell why it was refused. */
  async connectFaults(signal: AbortSignal): Promise<ConnectFaults> {
    const found = await inParallel(this.#clients, bounds.tunnelsMax, async (url) => {
      try {
        const { status, text } = await ask({ url: new URL('/v1/connect', url), name: url.host, signal });
        const fault = clientsPortFault(status, text);
        return fault === undefined ? undefined : `${url.host} ${fault}`;
      } catch (error) {
        return wordsOf(error);
      }
    });
    const known = found.filter((fault) => fault !== undefined);
    return { words: known.length === 0 ? undefined : known.join('; '), isEverywhere: known.length === found.length };
  }

  /** Where clients connect. */
  clientsUrls(): readonly string[] {
    return this.#clients.map((url) => url.href.replace(/^http/, 'ws'));
  }

  /**
   * Tells the one gateway to drain, by a command that is signed with the pool's private key.
   * @throws CommandFault with the gateway's refusal
   */
  async drain(command: DrainCommand, key: Secret): Promise<void> {
    const [url, other] = this.#admin;
    if (url === undefined || other !== undefined) throw new CommandFault('usage', 'name one gateway with --admin-url');
    const body = signedBy(command, key);
    const { status, text } = await ask({ url: new URL('/admin/v1/drain', url), name: url.host, method: 'PUT', body });
    if (status === 200) return;
    if (status === 404)
      throw new CommandFault('missing', `${url.host} has no admin port: set BARRAGE_ADMIN_PORT, and name that port with --admin-url`);
    throw new CommandFault('refused', `${url.host} refuses to drain (status ${status}): ${text.trim().slice(0, 500)}`);
  }
}

function signedBy(command: DrainCommand, key: Secret): string {
  try {
    return signCommand(command, key.value);
  } catch (error) {
    throw new CommandFault(
      'usage',
      `${key.source} does not sign: ${wordsOf(error)}. It must hold the Ed25519 private key (PEM) whose public half is the gateway's BARRAGE_POOL_PUBLIC_KEY`,
      { cause: error },
    );
  }
}

function httpUrl(option: string, text: string): URL {
  const url = URL.parse(text.replace(/^ws/, 'http'));
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new CommandFault('usage', `${option} ${text} is no address such as http://127.0.0.1:6790`);
  return url;
}
