import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { goModuleFolder } from './go-module.ts';

/** The release of the tests, and the last one whose routes know no `timeouts`. */
export type GatewayApiRelease = 'v1.4.1' | 'v1.1.0';

/**
 * The real definition of a kind: the path of a YAML file in Go's module cache, where it is downloaded once.
 * @param plural `httproutes`, `gateways`
 * @throws Error with Go's own words
 */
export async function gatewayApiDefinition(plural: 'gateways' | 'httproutes', release: GatewayApiRelease = 'v1.4.1'): Promise<string> {
  const module = `sigs.k8s.io/gateway-api@${release}`;
  return join(await goModuleFolder(module), `config/crd/standard/gateway.networking.k8s.io_${plural}.yaml`);
}

/** @see gatewayApiDefinition */
export async function httpRouteDefinition(): Promise<string> {
  return gatewayApiDefinition('httproutes');
}

interface Route {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly spec: { readonly parentRefs: readonly object[] };
}

/** Answers the HTTPRoutes of a namespace as the controller of their Gateway does, until it is closed. */
export class StandInGateway {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  /** The status of `Accepted` that routes get from now on. */
  answer: 'True' | 'False' = 'True';

  constructor(cluster: Cluster, namespace: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const given = new Map<string, string>();
    while (!this.#over.signal.aborted) {
      const list = JSON.parse(await this.#kubectl('get', 'httproutes', '-o', 'json')) as { readonly items: readonly Route[] };
      for (const { metadata, spec } of list.items) {
        const { name, generation } = metadata;
        const told = `${generation} ${this.answer}`;
        if (given.get(name) === told) continue;
        const status = { parents: spec.parentRefs.map((parentRef) => this.#parent(parentRef, generation)) };
        // A route may have gone in between.
        await this.#kubectl('patch', 'httproute', name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status })).catch(
          () => {},
        );
        given.set(name, told);
      }
      await pause(300);
    }
  }

  #parent(parentRef: object, observedGeneration: number): object {
    const isAccepted = this.answer === 'True';
    const condition = {
      type: 'Accepted',
      status: this.answer,
      observedGeneration,
      reason: isAccepted ? 'Accepted' : 'NotAllowedByListeners',
      message: isAccepted ? '' : 'the listener takes no routes of this namespace',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    return { parentRef, controllerName: 'example.com/gateway', conditions: [condition] };
  }

  async #kubectl(...args: readonly string[]): Promise<string> {
    return this.#cluster.kubectl(['-n', this.#namespace, ...args]);
  }
}
