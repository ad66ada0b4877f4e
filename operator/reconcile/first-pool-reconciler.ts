import { firstPoolStep, readFirstPool, type FirstPoolRequest } from '../decide/first-pool.ts';
import type { OperatorJournal } from '../kube/log-lines.ts';
import { resources } from '../kube/resources.ts';
import type { KubeApi, KubeReader } from '../runtime/kube-api.ts';
import type { Outcome } from '../runtime/outcome.ts';

/** Milliseconds between two looks at a pool that is being deleted. */
const waitMs = 1_000;

/**
 * Makes the pool that a ConfigMap asks for; the key is the ConfigMap's. A chart can't hold a pool beside the definition
 * of its kind: Helm asks the API server for every kind before it installs anything.
 */
export class FirstPoolReconciler {
  readonly #api: KubeApi & KubeReader;
  readonly #journal: OperatorJournal;

  constructor(options: { readonly api: KubeApi & KubeReader; readonly journal: OperatorJournal }) {
    this.#api = options.api;
    this.#journal = options.journal;
  }

  readonly reconcile = async (key: string, signal: AbortSignal): Promise<Outcome> => {
    const [namespace = '', name = ''] = key.split('/');
    const request = await this.#api.get<FirstPoolRequest>(resources.configMap, { namespace, name }, signal);
    if (request === undefined) return this.#refuse(key, `ConfigMap ${key} does not exist.`);
    const pool = readFirstPool(request);
    if (typeof pool === 'string') return this.#refuse(key, pool);
    const found = await this.#api.get(resources.gatewayPool, { namespace, name: pool.metadata.name }, signal);
    const step = firstPoolStep(pool, found);
    if (step.kind === 'refuse') return this.#refuse(key, step.reason);
    if (step.kind === 'wait') return { kind: 'retry-after', afterMs: waitMs };
    if (step.kind === 'apply') {
      await this.#api.apply(resources.gatewayPool, step.pool, signal);
      this.#journal.write('first-pool-applied', { namespace, pool: pool.metadata.name });
    }
    return { kind: 'done' };
  };

  #refuse(key: string, reason: string): Outcome {
    this.#journal.writeTrouble('first-pool-refused', key, reason, { namespace: key.split('/', 1)[0] });
    return { kind: 'done' };
  }
}
