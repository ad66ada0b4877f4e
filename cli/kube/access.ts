import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { readChunks } from '../../core/process/bounded-read.ts';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import { missingRight, readApiStatus, type ApiRequest } from '../view/api-refusal.ts';

/** Which cluster, user and namespace: the options of kubectl. Absent ones are those of the kubeconfig. */
export interface AccessOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
}

/** One request to the API server. */
export interface ApiCall extends ApiRequest {
  /** Path and query. */
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Ends the request, and the reading of its answer. */
  readonly signal?: AbortSignal | undefined;
}

/** An answer with a status other than 2xx, for those who treat one of them. */
export class ApiRefusal extends CommandFault {
  readonly status: number;
  /** The API server's own words. */
  readonly words: string;

  constructor(status: number, words: string, fault: { readonly kind: CommandFault['kind']; readonly message: string }) {
    super(fault.kind, fault.message);
    this.status = status;
    this.words = words;
  }
}

const serverOfNoConfig = 'http://localhost:8080';

/** The API server as a user of kubectl reaches it: the same kubeconfig, contexts and logins. */
export class KubeAccess {
  readonly config: KubeConfig;
  readonly namespace: string;
  readonly context: string;
  /** The API server's address. */
  readonly server: string;

  /** @throws CommandFault where the kubeconfig can't be read, or lacks the context */
  constructor({ kubeconfig, context, namespace }: AccessOptions) {
    this.config = loaded(kubeconfig);
    if (context !== undefined) {
      const known = this.config.getContexts().map(({ name }) => name);
      if (!known.includes(context))
        throw new CommandFault('usage', `the kubeconfig has no context ${context}. It has: ${known.join(', ') || 'none'}`);
      this.config.setCurrentContext(context);
    }
    this.context = this.config.getCurrentContext();
    const cluster = this.config.getCurrentCluster();
    if (cluster === null || (cluster.server === serverOfNoConfig && kubeconfig === undefined))
      throw new CommandFault(
        'usage',
        'there is no kubeconfig with a current context. Set KUBECONFIG or --kubeconfig to its path, or choose one with --context (kubectl config get-contexts)',
      );
    this.server = cluster.server;
    this.namespace = namespace ?? this.config.getContextObject(this.context)?.namespace ?? 'default';
  }

  /**
   * The JSON that the API server answers.
   * @throws ApiRefusal for a status other than 2xx; CommandFault `unreachable` without an answer
   */
  async json<T>(call: ApiCall): Promise<T> {
    const signal = AbortSignal.any([AbortSignal.timeout(bounds.answerMsMax), ...(call.signal === undefined ? [] : [call.signal])]);
    const response = await this.stream({ ...call, signal });
    let read;
    try {
      read = await readChunks(response as AsyncIterable<Buffer>, bounds.objectBytesMax);
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (read.kind === 'too-large') throw new CommandFault('failed', `the API server's answer about ${call.resource} is too large`);
    try {
      return JSON.parse(read.bytes.toString()) as T;
    } catch {
      throw new CommandFault('failed', `${this.server} does not answer as an API server does: check the kubeconfig`);
    }
  }

  /** The body of an answer as it arrives. @throws as `json` */
  async stream(call: ApiCall): Promise<IncomingMessage> {
    const response = await this.#send(call);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const read = await readChunks(response as AsyncIterable<Buffer>, bounds.answerBytesMax).catch(() => undefined);
    throw this.refusal(status, read?.kind === 'whole' ? read.bytes.toString() : '', call);
  }

  /** The fault of a refused request. */
  refusal(status: number, body: string, call: ApiRequest): ApiRefusal {
    const { message, reason } = readApiStatus(body);
    const words = message === '' ? `status ${status}` : message;
    if (status === 401)
      return new ApiRefusal(status, words, {
        kind: 'refused',
        message: `the API server ${this.server} does not know you (context ${this.context}): log in again, as for kubectl`,
      });
    if (status === 403) return new ApiRefusal(status, words, { kind: 'refused', message: missingRight(message, call) });
    if (status === 404) {
      const isKind = !/".*" not found/.test(message);
      const hint =
        isKind && call.resource.endsWith('.barrage.dev') ? ': the cluster has no Barrage. Install its chart (docs/operator.md)' : '';
      return new ApiRefusal(status, words, {
        kind: 'missing',
        message: `${isKind ? call.resource : words}${isKind ? ' not found' : ''}${hint}`,
      });
    }
    const kind = status === 429 || reason === 'Invalid' || status === 422 ? 'refused' : 'failed';
    return new ApiRefusal(status, words, { kind, message: `the API server refuses to ${call.verb} ${call.resource}: ${words}` });
  }

  async #send({ path, method = 'GET', body, signal }: ApiCall): Promise<IncomingMessage> {
    const options: RequestOptions = { method, headers: { accept: 'application/json', 'user-agent': 'kubectl-barrage' } };
    try {
      await this.config.applyToHTTPSOptions(options);
    } catch (error) {
      throw new CommandFault('refused', `the login of the context ${this.context} fails: ${wordsOf(error)}`, { cause: error });
    }
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(options.headers as Readonly<Record<string, string>>),
      ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
    };
    const url = new URL(this.server.replace(/\/+$/, '') + path);
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      const request = send(url, { ...options, headers, ...(signal === undefined ? {} : { signal }) }, resolve);
      request.once('error', (error) => reject(this.#unreachable(error)));
      request.end(text);
    });
  }

  #unreachable(error: unknown): CommandFault {
    const late = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
    const why = late ? `no answer within ${bounds.answerMsMax / 1000} s` : wordsOf(error);
    return new CommandFault(
      'unreachable',
      `the API server ${this.server} (context ${this.context || 'none'}) can't be reached: ${why}. Gateways and their clients go on without it. Check the address and the network; kubectl get --raw /readyz asks the same server`,
      { cause: error },
    );
  }
}

function loaded(kubeconfig: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    throw new CommandFault('usage', `the kubeconfig ${kubeconfig ?? 'of KUBECONFIG or ~/.kube/config'} can't be read: ${wordsOf(error)}`, {
      cause: error,
    });
  }
  return config;
}
