import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import type { AdminStatus } from '../../core/pool/admin-status.ts';
import { verifyCommand } from '../../core/pool/drain-command.ts';
import { envelopeAfter, type DocumentChange } from '../../core/pool/document-change.ts';
import { policiesAfter, type PolicyChange } from '../../core/pool/policy-change.ts';
import {
  decideDocument,
  policiesHash,
  verifyDocument,
  type DocumentMark,
  type PoolDocument,
  type VerifiedDocument,
} from '../../core/pool/pool-document.ts';
import { names } from '../../operator/desired/labels.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { ClientMetrics } from '../../operator/kube/client-metrics.ts';
import { KubeConnection } from '../../operator/kube/connection.ts';
import { Reflector } from '../../operator/kube/reflector.ts';
import { resources } from '../../operator/kube/resources.ts';
import { Store } from '../../operator/kube/store.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { addressOf, trustedKeyOf, type PoolPod } from '../../operator/reconcile/pod-view.ts';
import { silentJournal } from './silent-journal.ts';

/** Bodies that are remembered: pods of a pool get the same ones. */
const bodiesMax = 8;

type Offer = { readonly policies: readonly string[] | PolicyChange } & (
  | { readonly envelope: string }
  | { readonly change: DocumentChange; readonly signature: string }
);

/** The parts of policies, with their hash. Pods share them. */
interface Policies {
  readonly hash: string;
  readonly parts: readonly string[];
}

/** A body that was read, with what it means to a pod by the pod's key and document. It is read once for all pods. */
interface ReadBody {
  readonly bytes: Buffer;
  readonly offer: Offer;
  /** The policies that the pod then has; `undefined` until a change was applied to those before. */
  policies: Policies | undefined;
  readonly verified: Map<string, VerifiedDocument>;
}

/** What one simulated pod has been told, and has become by it. */
interface PodState {
  mark: DocumentMark | undefined;
  document: PoolDocument | undefined;
  policies: Policies;
  connections: number;
  drain: { readonly startedAt: number; readonly connections: number; readonly perSecond: number } | undefined;
  commandIssuedAt: number;
  isSilent: boolean;
  isRefusing: boolean;
}

/**
 * Answers the admin port of all pods that kwok pretends to run, which have loopback addresses: who is asked is told by
 * the address that was called. Each takes documents and drains as the real ones do; their connections are numbers.
 */
export class StandInPods {
  readonly #connectionsAtFirst: number;
  readonly #server: Server;
  readonly #states = new Map<string, PodState>();
  #bodies: readonly ReadBody[] = [];
  readonly #leaving = new AbortController();
  readonly #connection: KubeConnection;
  readonly #watching: Promise<void>;
  /** Every pod of the operator's, straight from the API server. */
  readonly pods: Store<PoolPod>;
  /**
   * What no operator should ever have said: documents of one epoch that differ, forged ones, and commands for somebody
   * else.
   */
  readonly objections: string[] = [];
  asked = 0;
  /** Bytes of the pool documents that all pods were sent. */
  pushedBytes = 0;

  /** @param connections how many each gateway has when it begins */
  static async start(kubeconfig: string, connections = 0): Promise<StandInPods> {
    const pods = new StandInPods(kubeconfig, connections);
    pods.#server.listen(0, '0.0.0.0', 4096);
    await once(pods.#server, 'listening');
    return pods;
  }

  private constructor(kubeconfig: string, connections: number) {
    this.#connectionsAtFirst = connections;
    this.#connection = new KubeConnection({ kubeconfig });
    this.pods = new Store<PoolPod>({
      indexes: { address: (pod) => [addressOf(pod) ?? ''], pool: (pod) => [poolOf(pod)] },
      failed: () => {},
    });
    const shared = { clock: systemClock, random: Math.random };
    const client = new KubeClient({ ...shared, connection: this.#connection, metrics: new ClientMetrics(new Registry()) });
    const selection = { labelSelector: 'app.kubernetes.io/managed-by=barrage-operator' };
    this.#watching = new Reflector<PoolPod>({
      ...shared,
      resource: resources.pod,
      selection,
      client,
      store: this.pods,
      journal: silentJournal,
    }).run(this.#leaving.signal);
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The epoch that a pod has; 0 before its first. */
  epochOf(uid: string): number {
    return this.#states.get(uid)?.mark?.epoch ?? 0;
  }

  /** The document that a pod has. */
  documentOf(uid: string): PoolDocument | undefined {
    return this.#states.get(uid)?.document;
  }

  /** Of a gateway that was asked for its status. */
  connectionsOf(uid: string): number | undefined {
    return this.#states.get(uid)?.connections;
  }

  /** @param uid of a gateway's pod */
  setConnections(uid: string, connections: number): void {
    this.#stateOf(uid).connections = connections;
  }

  /** The pod answers nothing until it is no longer silent. */
  setSilent(uid: string, isSilent: boolean): void {
    this.#stateOf(uid).isSilent = isSilent;
  }

  /** Whether a gateway says that it refuses clients because it is full. */
  setRefusing(uid: string, isRefusing: boolean): void {
    this.#stateOf(uid).isRefusing = isRefusing;
  }

  async close(): Promise<void> {
    this.#leaving.abort();
    await this.#watching;
    this.#connection.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.asked += 1;
    const body = await readAll(request);
    const address = request.socket.localAddress?.replace('::ffff:', '') ?? '';
    const found = this.pods.withIndex('address', address);
    // The address of a pod that is gone may be another one's. A deleted pod that something holds still runs.
    const pod =
      found.find(({ metadata }) => metadata.deletionTimestamp === undefined) ??
      found.find(({ metadata }) => (metadata as { readonly finalizers?: readonly string[] }).finalizers !== undefined);
    // A real pod that is gone does not answer either.
    if (pod === undefined || this.#stateOf(pod.metadata.uid, pod).isSilent) return void response.destroy();
    const [status, answer] = this.#told(pod, `${request.method} ${request.url}`, body);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  #told(pod: PoolPod, what: string, body: Buffer): readonly [number, unknown] {
    if (what === 'GET /admin/v1/status') return [200, this.#statusOf(pod)];
    if (what === 'PUT /admin/v1/pool') return this.#takeDocument(pod, body);
    if (what === 'PUT /admin/v1/drain') return this.#takeCommand(pod, body.toString());
    return [404, { message: `there is no ${what}` }];
  }

  #takeDocument(pod: PoolPod, body: Buffer): readonly [number, unknown] {
    this.pushedBytes += body.length;
    const readBody = this.#read(body);
    const { offer, verified } = readBody;
    const { document: before, mark: markBefore } = this.#stateOf(pod.metadata.uid, pod);
    if ('change' in offer && before?.epoch !== offer.change.from) return [400, { message: 'another document is in force' }];
    const key = trustedKeyOf(pod);
    const known = `${key} ${markBefore?.digest ?? ''}`;
    const envelope = (): string =>
      'envelope' in offer ? offer.envelope : envelopeAfter(before as PoolDocument, offer.change, offer.signature);
    const read = verified.get(known) ?? verifyDocument(envelope(), key);
    verified.set(known, read);
    if (read.kind !== 'verified') return this.#object(403, `${pod.metadata.name}: ${read.fault}`);
    const { pool, epoch, policies } = read.document;
    const state = this.#stateOf(pod.metadata.uid, pod);
    const mark = { pool, epoch, digest: read.digest };
    const decision = decideDocument(state.mark, mark);
    if (decision === 'conflict') return this.#object(409, `${pod.metadata.name}: two documents of epoch ${epoch}`);
    if (decision === 'older') return [409, { message: 'older' }];
    const isNewPolicies = policies.hash !== state.policies.hash;
    const given = policiesOf(readBody, state.policies);
    if (isNewPolicies && given === undefined) return [400, { message: 'other policies are in force' }];
    if (isNewPolicies && given?.hash !== policies.hash) return this.#object(400, `${pod.metadata.name}: policies are missing`);
    if (!isNewPolicies && given !== undefined && given.parts.length > 0)
      this.#object(200, `${pod.metadata.name}: the policies that it has already`);
    state.mark = mark;
    state.document = read.document;
    if (isNewPolicies && given !== undefined) state.policies = given;
    return [200, { epoch }];
  }

  #read(bytes: Buffer): ReadBody {
    const known = this.#bodies.find((each) => each.bytes.equals(bytes));
    if (known !== undefined) return known;
    const offer = JSON.parse(bytes.toString()) as Offer;
    const { policies: given } = offer;
    const policies = 'from' in given ? undefined : { hash: policiesHash(given), parts: given };
    const read = { bytes, offer, policies, verified: new Map() };
    this.#bodies = [read, ...this.#bodies].slice(0, bodiesMax);
    return read;
  }

  #takeCommand(pod: PoolPod, body: string): readonly [number, unknown] {
    const read = verifyCommand(body, trustedKeyOf(pod));
    if (read.kind !== 'verified') return this.#object(403, `${pod.metadata.name}: ${read.fault}`);
    const { command } = read;
    const { uid } = pod.metadata;
    if (command.gateway !== uid) return this.#object(409, `${pod.metadata.name}: a command for ${command.gateway}`);
    const state = this.#stateOf(uid, pod);
    if (command.issuedAt < state.commandIssuedAt) return [409, { message: 'older' }];
    state.commandIssuedAt = command.issuedAt;
    if (command.command === 'drain')
      state.drain ??= { startedAt: Date.now(), connections: state.connections, perSecond: command.connectionsPerSecond };
    else state.drain = undefined;
    return [200, {}];
  }

  #object(status: number, message: string): readonly [number, unknown] {
    this.objections.push(message);
    return [status, { message }];
  }

  #statusOf(pod: PoolPod): AdminStatus {
    const { metadata } = pod;
    const state = this.#stateOf(metadata.uid, pod);
    const { drain } = state;
    if (drain !== undefined)
      state.connections = Math.max(0, Math.floor(drain.connections - ((Date.now() - drain.startedAt) / 1000) * drain.perSecond));
    return {
      role: isPublisher(pod) ? 'publisher' : 'gateway',
      name: metadata.name,
      uid: metadata.uid,
      poolEpoch: state.mark?.epoch ?? 0,
      policiesHash: state.policies.hash,
      ready: true,
      waitingFor: [],
      connections: state.connections,
      subscriptions: state.connections,
      rooms: 0,
      loopUtilization: 0,
      bytesSentPerSecond: 0,
      refusedPerSecond: state.isRefusing ? 1 : 0,
      drain: {
        state: drain === undefined ? 'serving' : state.connections === 0 ? 'drained' : 'draining',
        movedConnections: (drain?.connections ?? 0) - (drain === undefined ? 0 : state.connections),
        ...(drain === undefined ? {} : { startedAt: drain.startedAt, commandIssuedAt: state.commandIssuedAt }),
      },
      topChannels: [],
    };
  }

  #stateOf(uid: string, pod?: PoolPod): PodState {
    const known = this.#states.get(uid);
    if (known !== undefined) return known;
    const connections = pod !== undefined && isPublisher(pod) ? 0 : this.#connectionsAtFirst;
    const fresh: PodState = {
      mark: undefined,
      document: undefined,
      policies: { hash: '', parts: [] },
      connections,
      drain: undefined,
      commandIssuedAt: 0,
      isSilent: false,
      isRefusing: false,
    };
    this.#states.set(uid, fresh);
    return fresh;
  }
}

function isPublisher({ metadata }: PoolPod): boolean {
  return metadata.labels?.[names.label.component] === 'publisher';
}

/** `namespace/name` of the pool. */
function poolOf({ metadata }: PoolPod): string {
  return `${metadata.namespace}/${metadata.labels?.[names.label.pool] ?? ''}`;
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The policies of a body, for a pod that has others; `undefined` where it changes yet others. */
function policiesOf(body: ReadBody, before: Policies): Policies | undefined {
  const { policies: given } = body.offer;
  if (!('from' in given)) return body.policies;
  if (given.from !== before.hash) return undefined;
  if (body.policies === undefined) {
    const parts = policiesAfter(before.parts, given) ?? [];
    body.policies = { hash: policiesHash(parts), parts };
  }
  return body.policies;
}
