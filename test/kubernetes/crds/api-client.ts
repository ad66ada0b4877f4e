import { Agent, request } from 'node:https';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { Cluster } from '../../support/cluster.ts';

/** An answer of the API server: the object, or a Status that says why not. */
export interface Answer {
  readonly code: number;
  readonly body: ApiObject & Status;
}

export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly spec?: unknown;
  readonly status?: unknown;
}

interface Status {
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field?: string; readonly message?: string }[] };
}

/** Requests to the API server as they are: what it answers is what the tests are about. */
export class ApiClient {
  readonly #url: string;
  readonly #options: RequestOptions;
  readonly #agent: Agent;

  private constructor(url: string, options: RequestOptions) {
    const { ca, cert, key } = options;
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4, ca, cert, key });
    this.#options = { ...options, agent: this.#agent };
  }

  static async open(cluster: Cluster): Promise<ApiClient> {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    return new ApiClient(cluster.url, options);
  }

  close(): void {
    this.#agent.destroy();
  }

  send(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const call = request(new URL(path, this.#url), { ...this.#options, method, headers: { 'content-type': contentType } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.once('error', reject);
        response.once('end', () => resolve({ code: response.statusCode ?? 0, body: JSON.parse(text) as Answer['body'] }));
      });
      call.once('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
