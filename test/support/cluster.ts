import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImages } from '../cluster/image.ts';
import { buildPrograms, controlPlanePrograms, findProgram, nodePrograms, scripts } from '../cluster/programs.ts';
import { freePort } from './free-port.ts';

/** Time for a `beforeAll` that starts a cluster, in milliseconds: the first one on a machine builds Kubernetes. */
export const clusterTimeoutMs = 1_200_000;

/** The variable by which the processes of one run of the suite find the clusters that they share. */
export const sharedClustersVariable = 'BARRAGE_TEST_CLUSTERS';

export type ClusterKind = 'api' | 'node';

/** A running Kubernetes: with `kind` 'api' nothing ever runs the pods that it stores. */
export class Cluster {
  /**
   * Path of a file with an administrator's access. In the folder `pki` beside it: ca.crt and ca.key, admin.crt and
   * admin.key; in `log`: each program's log.
   */
  readonly kubeconfig: string;
  /** Of the API server: `https://ADDRESS:PORT`. */
  readonly url: string;

  constructor(access: { readonly kubeconfig: string; readonly url: string }) {
    this.kubeconfig = access.kubeconfig;
    this.url = access.url;
  }

  /**
   * Runs kubectl and returns what it prints.
   * @param input goes to its standard input: for `apply -f -`
   * @throws Error with what it says on standard error
   */
  async kubectl(args: readonly string[], input = ''): Promise<string> {
    return runProgram(await findProgram('kubectl'), ['--kubeconfig', this.kubeconfig, ...args], input);
  }

  /**
   * Makes a namespace of its own for a test and returns its name. It ends with the cluster, or by the test's own hand.
   */
  async createNamespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const unique = `${name}-${Math.random().toString(36).slice(2, 8)}`;
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: unique, labels } };
    await this.kubectl(['create', '-f', '-'], JSON.stringify(namespace));
    return unique;
  }
}

/** A cluster that ends with `stop`, and in any case with the process that started it. */
export class OwnCluster extends Cluster {
  readonly #holder: ChildProcess;

  constructor(access: { readonly kubeconfig: string; readonly url: string }, holder: ChildProcess) {
    super(access);
    this.#holder = holder;
  }

  /** Leaves nothing of it: no process, mount, network device or file. */
  async stop(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    this.#holder.ref();
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await ended;
  }
}

/**
 * Starts etcd, API server, controllers and scheduler on a port and in a folder of their own; needs Linux, but no root.
 * @param options.simulatedNodes also kwok, which plays the nodes that are annotated `kwok.x-k8s.io/node: fake`
 * @throws Error with the ends of the logs
 */
export async function startApiServer(options: { readonly simulatedNodes?: boolean } = {}): Promise<OwnCluster> {
  const parts = options.simulatedNodes === true ? ['kwok'] : [];
  if (process.platform !== 'linux')
    throw new Error('the tests on Kubernetes need Linux; leave them out with BARRAGE_TEST_WITHOUT=kubernetes');
  await buildPrograms([...controlPlanePrograms, ...parts]);
  for (let attempt = 1; ; attempt++) {
    try {
      return await hold(parts, { PORT: String(await freePort()) });
    } catch (error) {
      // Between our finding it free and the API server taking it, a port can be lost.
      if (attempt === 3 || !String(error).includes('address already in use')) throw error;
    }
  }
}

/**
 * Starts the same with a real node, which has the images of `test/cluster/image.ts`; needs root. A second one in the
 * same network waits for the first to end. Pods and Services are reached from here by their addresses; pods reach this
 * process at 10.250.0.1.
 * @param options.network first two numbers of its addresses: a machine has one node of each, `10.250` is the usual one
 * @throws Error with the ends of the logs, or where the node stays taken for five minutes
 */
export async function startNode(options: { readonly simulatedNodes?: boolean; readonly network?: string } = {}): Promise<OwnCluster> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Error('the tests with pods need Linux and root; leave them out with BARRAGE_TEST_WITHOUT=pods');
  const parts = options.simulatedNodes === true ? ['kwok'] : [];
  await buildPrograms([...nodePrograms, ...parts]);
  await buildImages();
  return hold(['pods', ...parts], { NET: options.network ?? '10.250' });
}

/** The one API server that all test files of a run share: each works in namespaces of its own. It ends with the run. */
export async function sharedApiServer(): Promise<Cluster> {
  return shared('api');
}

/** The one node that all test files of a run share. */
export async function sharedNode(): Promise<Cluster> {
  return shared('node');
}

async function shared(kind: ClusterKind): Promise<Cluster> {
  const path = process.env[sharedClustersVariable];
  if (path === undefined) throw new Error('clusters are shared within a run of vitest: elsewhere, start one');
  const socket = connect(path);
  socket.write(`${kind}\n`);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  await once(socket, 'end');
  const access = JSON.parse(answer) as { readonly kubeconfig: string; readonly url: string } | { readonly error: string };
  if ('error' in access) throw new Error(access.error);
  return new Cluster(access);
}

/**
 * Starts a holder: it runs the cluster until the pipe from here to it closes, which the kernel does however this
 * process ends.
 */
async function hold(parts: readonly string[], settings: Readonly<Record<string, string>>): Promise<OwnCluster> {
  // A short path: the cluster's unix sockets are below it, and their names have at most 107 bytes.
  const run = join(tmpdir(), `barrage-cluster-${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
  const holder = spawn('bash', [join(scripts, 'hold.sh'), ...parts], {
    // A session of its own: what is sent to our process group is not for it.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...settings, RUN: run },
  });
  let said = '';
  holder.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-8000);
    process.stderr.write(chunk);
  });
  const ready = await new Promise<boolean>((resolve, reject) => {
    holder.once('error', reject);
    holder.once('close', () => resolve(false));
    holder.stdout.once('data', () => resolve(true));
  });
  if (!ready) throw new Error(`the test cluster did not start:\n${said}`);
  holder.unref();
  for (const stream of [holder.stdin, holder.stdout, holder.stderr]) if ('unref' in stream) (stream as { unref(): void }).unref();
  const kubeconfig = join(run, 'kubeconfig');
  return new OwnCluster({ kubeconfig, url: /server: "([^"]+)"/.exec(readFileSync(kubeconfig, 'utf8'))?.[1] ?? '' }, holder);
}

function runProgram(program: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`kubectl ${args.slice(2).join(' ')}: ${stderr.trim()}`));
    });
    child.stdin?.on('error', () => {}); // it may end without reading
    child.stdin?.end(input);
  });
}
