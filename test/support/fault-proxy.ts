import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as sendRequest, type Server } from 'node:https';
import { createServer as createPort, type AddressInfo, type Server as Port, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

/** One request, as the API server would class it. */
export interface SeenRequest {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';
  readonly path: string;
  readonly method: string;
  /** The resource's plural; empty for what is none. */
  readonly resource: string;
}

/** Whether it changes something; a Lease, which is renewed all the time, aside. */
export function isWrite({ verb, resource }: SeenRequest): boolean {
  return resource !== 'leases' && verb !== 'get' && verb !== 'list' && verb !== 'watch';
}

/** What to do to a request instead of, or before, handing it on. */
export type Fault =
  | { readonly kind: 'latency'; readonly ms: number }
  | { readonly kind: 'held'; readonly until: Promise<void> }
  | { readonly kind: 'status'; readonly code: number; readonly retryAfterSeconds?: number }
  /** The connection ends without an answer. */
  | { readonly kind: 'cut' }
  /** The API server does it, but the answer is lost. */
  | { readonly kind: 'lost-answer' }
  /** The first answer that this path ever got, again. */
  | { readonly kind: 'stale' };

/**
 * How an API server is away: connections end and are refused, or nothing is heard on them any more, as when a network
 * drops everything.
 */
export type Outage = 'refused' | 'silent';

interface OpenWatch {
  readonly resource: string;
  readonly response: ServerResponse;
  readonly upstream: ClientRequest;
}

const reasons: Readonly<Record<number, string>> = {
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

/**
 * Stands before a real API server and does to requests what networks and servers do. It speaks to the API server as the
 * user of the kubeconfig that it is given, and to clients with the API server's own certificate.
 */
export class FaultProxy {
  readonly #server: Server;
  readonly #port: Port;
  readonly #agent: Agent;
  readonly #target: URL;
  readonly #folder: string;
  readonly #authority: string;
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<OpenWatch>();
  readonly #firstAnswers = new Map<string, Buffer>();
  readonly #seen: SeenRequest[] = [];
  /** Connections on which nothing will ever be said again. */
  readonly #mute = new WeakSet<Socket>();
  #away: Outage | undefined;
  #connections = 0;
  /** Decides about each request; none at first. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;

  /** @param kubeconfig path of the real API server's, as `test/support/cluster.ts` starts it */
  static async start(kubeconfig: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(kubeconfig);
    proxy.#port.listen(0, '127.0.0.1');
    await once(proxy.#port, 'listening');
    return proxy;
  }

  private constructor(kubeconfig: string) {
    const { server, ca, cert, key } = readAccess(kubeconfig);
    this.#target = new URL(server);
    this.#authority = ca.toString('base64');
    this.#agent = new Agent({ keepAlive: true, ca, cert, key });
    this.#folder = mkdtempSync(join(tmpdir(), 'barrage-proxy-'));
    // The API server's own certificate is good for this address, and its authority is the one that clients trust.
    const keys = join(dirname(kubeconfig), 'pki');
    this.#server = createServer(
      { cert: readFileSync(join(keys, 'server.crt')), key: readFileSync(join(keys, 'server.key')) },
      (request, response) => {
        this.#answer(request, response).catch(() => this.#cut(response));
      },
    );
    this.#server.on('secureConnection', (socket: Socket) => {
      this.#connections += 1;
      this.#hold(socket);
    });
    this.#port = createPort((socket) => {
      this.#hold(socket);
      if (this.#away === undefined) this.#server.emit('connection', socket);
    });
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    if (this.#away === 'refused') socket.destroy();
    if (this.#away === 'silent') this.#mute.add(socket);
  }

  /** Path of a kubeconfig whose requests go through here. */
  get kubeconfig(): string {
    const { port } = this.#port.address() as AddressInfo;
    const path = join(this.#folder, 'kubeconfig');
    const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': this.#authority };
    writeFileSync(
      path,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'test',
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
        clusters: [{ name: 'test', cluster }],
        users: [{ name: 'test', user: { token: 'the proxy does not look' } }],
      }),
    );
    return path;
  }

  /** TLS connections that clients made. */
  get connections(): number {
    return this.#connections;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** All requests so far that match. */
  seen(matches: (request: SeenRequest) => boolean = () => true): readonly SeenRequest[] {
    return this.#seen.filter(matches);
  }

  /** Ends the connections of all watches in the middle of what they say. */
  cutWatches(): void {
    for (const { response, upstream } of this.#watches) {
      upstream.destroy();
      response.destroy();
    }
  }

  /** Tells all watches that what they follow is too old. */
  expireWatches(): void {
    const status = {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      message: 'too old resource version',
      reason: 'Expired',
      code: 410,
    };
    for (const { response, upstream } of this.#watches) {
      upstream.destroy();
      response.end(`\n${JSON.stringify({ type: 'ERROR', object: status })}\n`);
    }
  }

  /** The API server is away until `restore`. What is silent then stays so: only new connections are answered again. */
  outage(how: Outage = 'refused'): void {
    this.#away = how;
    for (const socket of this.#sockets) {
      if (how === 'silent') this.#mute.add(socket);
      else socket.destroy();
    }
    if (how === 'refused') return;
    for (const { upstream } of this.#watches) upstream.destroy();
    this.#watches.clear();
  }

  restore(): void {
    this.#away = undefined;
  }

  async close(): Promise<void> {
    for (const { upstream } of this.#watches) upstream.destroy();
    this.#port.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#port, 'close');
    this.#server.close();
    this.#agent.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#mute.has(request.socket)) return;
    const seen = classify(request);
    this.#seen.push(seen);
    const body = await readAll(request);
    const fault = this.fault(seen);
    if (fault?.kind === 'cut') return void response.destroy();
    if (fault?.kind === 'status') return refuse(response, fault);
    const first = this.#firstAnswers.get(seen.path);
    if (fault?.kind === 'stale' && first !== undefined)
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(first);
    if (fault?.kind === 'held') await fault.until;
    if (fault?.kind === 'latency') await new Promise((resolve) => setTimeout(resolve, fault.ms));
    const upstream = this.#send(request, body);
    upstream.on('error', () => this.#cut(response));
    response.on('close', () => upstream.destroy());
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    answer.on('error', () => this.#cut(response));
    if (this.#mute.has(request.socket)) return void upstream.destroy();
    const { 'transfer-encoding': _, ...headers } = answer.headers;
    if (seen.verb === 'watch') return this.#relayWatch({ resource: seen.resource, response, upstream }, answer);
    const text = await readAll(answer);
    if (seen.verb === 'list' && first === undefined && answer.statusCode === 200) this.#firstAnswers.set(seen.path, text);
    if (fault?.kind === 'lost-answer') return void response.destroy();
    if (!this.#mute.has(request.socket)) response.writeHead(answer.statusCode ?? 502, headers).end(text);
  }

  /** Ends a connection in the middle of an answer, but for those that have fallen silent. */
  #cut(response: ServerResponse): void {
    if (response.socket === null || !this.#mute.has(response.socket)) response.destroy();
  }

  #relayWatch(watch: OpenWatch, answer: IncomingMessage): void {
    const { response } = watch;
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    response.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? 'application/json' });
    response.flushHeaders();
    let rest = '';
    answer.setEncoding('utf8');
    // Whole lines only, so that a line of our own can come between.
    answer.on('data', (chunk: string) => {
      const end = chunk.lastIndexOf('\n');
      if (end !== -1) response.write(rest + chunk.slice(0, end + 1));
      rest = end === -1 ? rest + chunk : chunk.slice(end + 1);
    });
    answer.on('end', () => response.end(rest));
  }

  #send(request: IncomingMessage, body: Buffer): ClientRequest {
    const { host: _, authorization: __, 'accept-encoding': ___, 'transfer-encoding': ____, ...headers } = request.headers;
    const upstream = sendRequest({
      agent: this.#agent,
      host: this.#target.hostname,
      port: this.#target.port,
      method: request.method,
      path: request.url,
      headers: { ...headers, 'content-length': body.length },
    });
    upstream.end(body);
    return upstream;
  }
}

function refuse(response: ServerResponse, { code, retryAfterSeconds }: Fault & { readonly kind: 'status' }): void {
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: 'injected by the test', reason: reasons[code], code };
  const retryAfter = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  response.writeHead(code, { 'content-type': 'application/json', ...retryAfter }).end(JSON.stringify(status));
}

function classify({ method = 'GET', url = '/' }: IncomingMessage): SeenRequest {
  const { pathname, searchParams } = new URL(url, 'https://localhost');
  const [, root, ...rest] = pathname.split('/');
  const below = rest.slice(root === 'api' ? 1 : 2);
  const [resource = '', name] = below[0] === 'namespaces' && below.length > 2 ? below.slice(2) : below;
  const reads = searchParams.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
  const verbs = { GET: reads, POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const;
  return { verb: verbs[method as keyof typeof verbs] ?? 'get', path: url, method, resource };
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

interface Access {
  readonly server: string;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

function readAccess(kubeconfig: string): Access {
  const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8')) as {
    readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
    readonly users: readonly { readonly user: Readonly<Record<string, string>> }[];
  };
  const decoded = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');
  return {
    server: clusters[0]?.cluster['server'] ?? '',
    ca: decoded(clusters[0]?.cluster['certificate-authority-data']),
    cert: decoded(users[0]?.user['client-certificate-data']),
    key: decoded(users[0]?.user['client-key-data']),
  };
}
