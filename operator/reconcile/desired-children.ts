import type { EvictionBudget } from '../decide/eviction-budget.ts';
import type { ObservedGateway } from '../decide/observed.ts';
import { gatewayBudget, publisherBudget } from '../desired/disruption-budgets.ts';
import { gatewayRoute, poolRoute } from '../desired/exposure.ts';
import { gatewayRevision, gatewayTemplate } from '../desired/gateway-pod.ts';
import { revisionObject, type KeptRevision } from '../desired/kept-revision.ts';
import { networkPolicies, type AdminPeers } from '../desired/network-policies.ts';
import type { DesiredObject } from '../desired/objects.ts';
import type { PodIngredients } from '../desired/pod-template.ts';
import { publisherAutoscaler, publisherDeployment } from '../desired/publisher.ts';
import { services } from '../desired/pool-services.ts';
import { resources } from '../kube/resources.ts';
import type { DesiredChild } from './children.ts';
import type { PoolSecrets } from './pool-secrets.ts';

const resourceOf = {
  Service: resources.service,
  Secret: resources.secret,
  Deployment: resources.deployment,
  HorizontalPodAutoscaler: resources.horizontalPodAutoscaler,
  PodDisruptionBudget: resources.podDisruptionBudget,
  NetworkPolicy: resources.networkPolicy,
  HTTPRoute: resources.httpRoute,
} as const;

/** Children in the order of applying: an object that others need comes first. */
export interface DesiredChildren {
  /** A dozen at most, however many gateways there are. Pods need some of them. */
  readonly ofPool: readonly DesiredChild[];
  /** Of each gateway, which needs none of them to start. */
  readonly ofGateways: readonly DesiredChild[];
}

/** Every child of a pool except gateway pods and ConfigMaps. */
export function desiredChildren(wanted: {
  readonly ingredients: PodIngredients;
  readonly secrets: PoolSecrets;
  readonly budget: EvictionBudget;
  readonly adminPeers: AdminPeers;
  readonly gateways: readonly ObservedGateway[];
  /** Present `spec.replicas` of the publishers' Deployment. */
  readonly publisherReplicas: number | undefined;
  /** The stored revision that was complete last. */
  readonly kept: KeptRevision | undefined;
  /** Whether every gateway is of the present revision and ready. */
  readonly isComplete: boolean;
}): DesiredChildren {
  const { ingredients, secrets, budget, adminPeers } = wanted;
  const { pool } = ingredients;
  const objects: readonly (DesiredObject<keyof typeof resourceOf> | undefined)[] = [
    secrets.keptKeys,
    secrets.settings,
    ...services(pool),
    ...networkPolicies(pool, adminPeers),
    gatewayBudget(pool, budget),
    publisherBudget(pool),
    publisherDeployment(ingredients, wanted.publisherReplicas),
    publisherAutoscaler(ingredients),
    poolRoute(pool),
  ];
  const ofPool = objects.flatMap((object) => (object === undefined ? [] : [childOf(object)]));
  const ofGateways = wanted.gateways.flatMap((gateway) => gatewayRoute(pool, gateway)).map(childOf);
  return { ofPool: [...ofPool, ...completed(wanted)], ofGateways };
}

function childOf(object: DesiredObject<keyof typeof resourceOf>): DesiredChild {
  return { resource: resourceOf[object.kind], object };
}

/** The present revision, to be kept from the moment at which it is complete. */
function completed({
  ingredients,
  kept,
  isComplete,
}: Pick<Parameters<typeof desiredChildren>[0], 'ingredients' | 'kept' | 'isComplete'>): readonly DesiredChild[] {
  const { pool } = ingredients;
  const revision = gatewayRevision(ingredients);
  if (!isComplete || kept?.revision === revision) return [];
  const object = revisionObject(pool, { revision, template: gatewayTemplate(ingredients) }, ingredients.buses?.main.id ?? '');
  return [{ resource: resources.controllerRevision, object: object as unknown as DesiredChild['object'] }];
}
