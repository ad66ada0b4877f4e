import type { GatewayPool } from '../api/gateway-pool.ts';
import { childNames, names } from '../desired/labels.ts';
import { resources } from '../kube/resources.ts';
import type { KubeObject } from '../runtime/kube-api.ts';
import { controllerOf } from './children.ts';
import type { PoolPod } from './pod-view.ts';

/** The owners that a pod of a pool may have. */
export interface PodOwners {
  /** The pool that the pod's label names; `undefined` where there is none. */
  readonly pool: GatewayPool | undefined;
  /** The Deployment with the name of the pool's publishers; `undefined` where there is none. */
  readonly publisher: KubeObject | undefined;
}

/** Label with the hash by which the Deployment controller names a ReplicaSet, on the ReplicaSet and its pods. */
const templateHash = 'pod-template-hash';

/**
 * Whether a pod that carries our labels is a gateway or publisher of its pool. Anybody who may create pods can write
 * our labels. Other pods are asked nothing, told nothing, and count for nothing.
 *
 * A gateway's controller is the pool. A publisher's is a ReplicaSet of the pool's Deployment: the operator has no right
 * to read ReplicaSets, so it knows this one by the name that the Deployment controller makes. Who may create pods can
 * name a true owner, whose uid stands on the other pods. Reading ReplicaSets would not show that.
 */
export function isPoolPod(pod: PoolPod, { pool, publisher }: PodOwners): boolean {
  if (pool === undefined) return false;
  const { labels = {} } = pod.metadata;
  switch (labels[names.label.component] ?? '') {
    case 'gateway':
      return controllerOf(pod) === pool.metadata.uid;
    case 'publisher': {
      const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller === true);
      const isOurs = publisher !== undefined && controllerOf(publisher) === pool.metadata.uid;
      const name = `${childNames.publisher(pool)}-${labels[templateHash] ?? ''}`;
      return (
        isOurs && controller?.apiVersion === resources.deployment.apiVersion && controller.kind === 'ReplicaSet' && controller.name === name
      );
    }
    default:
      return false;
  }
}
