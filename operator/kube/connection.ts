import assert from 'node:assert/strict';
import type { AgentOptions } from 'node:https';
import {
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  KubeConfig,
  RequestContext,
  type Cluster,
  type DispatcherOptions,
  type ResponseContext,
} from '@kubernetes/client-node';

type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>;

/**
 * Time limit for making a connection, in milliseconds. Later requests wait for the same attempt, so an attempt that the
 * network swallowed must end soon. The kernel's two retries, after one and three seconds, fit in.
 */
const connectWithinMs = 4_000;

/** One request, before anybody judges the status of its answer. */
export interface Exchange {
  readonly method: keyof typeof HttpMethod;
  /** Path and query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  /** Wanted form of the answer. Absent: `application/json`. */
  readonly accept?: string;
  /** Ends the request, also while the answer's body is read. */
  readonly signal: AbortSignal;
}

/**
 * The official client's configuration (files, in-cluster tokens, certificates) with kept connections. The client alone
 * makes a connection for each request: one handshake each, and hundreds of sockets in a burst.
 */
class PooledConfig extends KubeConfig {
  readonly #dispatchers = new Map<string, Dispatcher | undefined>();

  constructor() {
    super();
    // The only place where the client makes connections is private in its typings. If an upgrade moves it, nothing may
    // start.
    const create: unknown = Reflect.get(this, 'createDispatcher');
    assert(typeof create === 'function', 'the Kubernetes client has no createDispatcher any more: see how it makes its connections now');
    Reflect.set(this, 'createDispatcher', (cluster: Cluster | null, options: AgentOptions) =>
      this.#memoised(cluster, options, () => Reflect.apply(create, this, [cluster, options]) as Dispatcher | undefined),
    );
  }

  /** HTTP/1.1 only: a stalled HTTP/2 connection would stall every watch and write at once. */
  override createDispatcherOptions(cluster: Cluster | null, agentOptions: AgentOptions): DispatcherOptions {
    const options = super.createDispatcherOptions(cluster, agentOptions);
    if (options.type !== 'agent') return options;
    const connect = { ...options.connect, allowH2: false, timeout: connectWithinMs };
    return { ...options, connect };
  }

  close(): void {
    for (const dispatcher of this.#dispatchers.values()) void dispatcher?.destroy();
    this.#dispatchers.clear();
  }

  /** Renewed certificates get new connections. Requests under way end on the old ones. */
  #memoised(cluster: Cluster | null, options: AgentOptions, create: () => Dispatcher | undefined): Dispatcher | undefined {
    const { ca, cert, key, servername, rejectUnauthorized } = options;
    const identity = JSON.stringify([cluster?.server, cluster?.proxyUrl, servername, rejectUnauthorized, ...[ca, cert, key].map(String)]);
    if (this.#dispatchers.has(identity)) return this.#dispatchers.get(identity);
    for (const old of this.#dispatchers.values()) void old?.close();
    this.#dispatchers.clear();
    const created = create();
    this.#dispatchers.set(identity, created);
    return created;
  }
}

/**
 * Source of the API server's address and login: a kubeconfig's path, or the pod's service account. Absent:
 * `$KUBECONFIG`, `~/.kube/config` or the service account.
 */
export type KubeSource = { readonly kubeconfig: string } | 'in-cluster' | undefined;

const madeUpServer = 'http://localhost:8080';

/** Kept connections to one API server, as one user. Separate instances never wait for each other's requests. */
export class KubeConnection {
  readonly #source: KubeSource;
  readonly #config = new PooledConfig();
  readonly #library = new IsomorphicFetchHttpLibrary();
  /** The API server's address. */
  readonly server: string;
  /** The namespace of the source's current context. */
  readonly namespace: string;

  /** @throws Error where the source can't be read, names no cluster, or names a server that needs TLS by plain HTTP */
  constructor(source: KubeSource) {
    this.#source = source;
    if (source === 'in-cluster') this.#config.loadFromCluster();
    else if (source === undefined) this.#config.loadFromDefault();
    else this.#config.loadFromFile(source.kubeconfig);
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no current context with a cluster');
    // The library makes up this address where it finds nothing, and then refuses every request to it.
    if (source === undefined && cluster.server === madeUpServer)
      throw new Error('there is no kubeconfig: set KUBECONFIG to its path, put it at ~/.kube/config, or run in a pod');
    if (!cluster.server.startsWith('https:') && cluster.skipTLSVerify !== true)
      throw new Error(
        `the kubeconfig's server is ${cluster.server}: use https, or set insecure-skip-tls-verify on it if plain HTTP is meant`,
      );
    this.server = cluster.server;
    this.namespace = this.#config.getContextObject(this.#config.getCurrentContext())?.namespace ?? 'default';
  }

  /** A second set of connections for the same server and user. */
  separate(): KubeConnection {
    return new KubeConnection(this.#source);
  }

  /**
   * Sends one request. The answer's body is not read yet.
   * @throws the platform's error where no answer comes
   */
  async send({ method, path, body, contentType, accept = 'application/json', signal }: Exchange): Promise<ResponseContext> {
    const context = new RequestContext(`${this.server}${path}`, HttpMethod[method]);
    context.setHeaderParam('Accept', accept);
    context.setHeaderParam('User-Agent', 'barrage-operator');
    if (body !== undefined) context.setBody(body);
    if (contentType !== undefined) context.setHeaderParam('Content-Type', contentType);
    context.setSignal(signal);
    await this.#config.applySecurityAuthentication(context);
    return await this.#library.send(context).toPromise();
  }

  /** Closes every connection. Requests under way fail. */
  close(): void {
    this.#config.close();
  }
}
