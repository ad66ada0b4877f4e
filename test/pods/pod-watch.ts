import { get, type RequestOptions } from 'node:https';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { KubeConfig } from '@kubernetes/client-node';
import type { Cluster } from '../support/cluster.ts';

/** What the tests look at in a pod. */
export interface WatchedPod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** All gateways of a namespace at one moment, but for those whose process has ended. */
export interface Moment {
  readonly pods: number;
  readonly ready: number;
  readonly draining: number;
}

/** Follows the gateways of a namespace by a watch of its own, so that no moment is missed. */
export class PodWatch {
  readonly pods = new Map<string, WatchedPod>();
  /** Since the watch began, or `forget`. */
  moments: Moment[] = [];
  readonly #call: ReturnType<typeof get>;

  private constructor(call: ReturnType<typeof get>) {
    this.#call = call;
  }

  static async open(cluster: Cluster, namespace: string): Promise<PodWatch> {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const { ca, cert, key } = options;
    const query = 'watch=1&labelSelector=app.kubernetes.io%2Fcomponent%3Dgateway';
    const call = get(new URL(`/api/v1/namespaces/${namespace}/pods?${query}`, cluster.url), { ca, cert, key, agent: false });
    const watch = new PodWatch(call);
    const [response] = await once(call, 'response');
    response.on('error', () => {});
    createInterface({ input: response })
      .on('line', (line) => watch.#take(JSON.parse(line) as { readonly type: string; readonly object: WatchedPod }))
      .on('error', () => {});
    return watch;
  }

  close(): void {
    this.#call.on('error', () => {});
    this.#call.destroy();
  }

  /** Begins a new record with the moment of now. */
  forget(): void {
    this.moments = [this.now];
  }

  get now(): Moment {
    const pods = [...this.pods.values()].filter(mayRun);
    return { pods: pods.length, ready: pods.filter(isReady).length, draining: pods.filter(isLeaving).length };
  }

  /** Names of those that are ready, in order. */
  get ready(): readonly string[] {
    return [...this.pods.values()]
      .filter(isReady)
      .map(({ metadata }) => metadata.name)
      .toSorted();
  }

  #take({ type, object }: { readonly type: string; readonly object: WatchedPod }): void {
    if (type === 'DELETED') this.pods.delete(object.metadata.uid);
    else this.pods.set(object.metadata.uid, object);
    this.moments.push(this.now);
  }
}

/** A pod stays for a moment after its process has ended. */
function mayRun({ status }: WatchedPod): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

function isReady({ metadata, status }: WatchedPod): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
  );
}

function isLeaving({ metadata }: WatchedPod): boolean {
  return metadata.deletionTimestamp === undefined && metadata.annotations?.['barrage.dev/drain-started'] !== undefined;
}
