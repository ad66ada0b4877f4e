import { connectionsMaxSetting, connectionsMaxVariable } from './connections-max.ts';
import { names, ownedBy, ports } from './labels.ts';
import type { DesiredObject, JsonObject } from './objects.ts';
import { anyAddress, fromSecret, ownPreStop, podTemplate, variable, type PodIngredients, type PodTemplate } from './pod-template.ts';
import { childNames } from './labels.ts';
import type { KeptRevision } from './kept-revision.ts';
import { revisionOf } from './revision.ts';
import type { GatewayPool, GatewayPoolSpec } from '../api/gateway-pool.ts';

/** Seconds between the drain's deadline and the kubelet's kill. The process ends some 5 s after its drain. */
const graceSecondsSpare = 30;
/**
 * Longest drain on a memory bus, in milliseconds: no Service leads to the pod any more, so its clients get no
 * publications.
 */
const aloneDrainMsMax = 5000;

/**
 * The template of all gateways of a pool. Its hash is their revision. A previous bus is no part of it: gateways that
 * were made during a change of the bus stay after it.
 */
export function gatewayTemplate({ buses, ...others }: PodIngredients): PodTemplate {
  return templateOf(buses === undefined ? others : { ...others, buses: { main: buses.main } });
}

function templateOf(ingredients: PodIngredients): PodTemplate {
  const { pool } = ingredients;
  const { drain, exposure, auth, bus, disruption, maxConnectionAgeSeconds: ageMax } = pool.spec;
  const isAlone = bus.type === 'Memory';
  const most = connectionsMaxSetting(pool);
  const clients = {
    name: 'clients',
    containerPort: ports.clients,
    protocol: 'TCP',
    ...(exposure.type === 'HostPort' ? { hostPort: ports.clients } : {}),
  };
  const template = podTemplate(ingredients, {
    component: 'gateway',
    args: [isAlone ? 'standalone' : 'gateway'],
    env: [
      variable('BARRAGE_GATEWAY_HOST', anyAddress),
      variable('BARRAGE_GATEWAY_PORT', String(ports.clients)),
      { name: 'BARRAGE_GATEWAY_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      ...drainSettings(drain, isAlone),
      ...(most === undefined ? [] : [variable(connectionsMaxVariable, String(most))]),
      ...(ageMax === 0 ? [] : [variable('BARRAGE_CONNECTION_AGE_MAX_SECONDS', String(ageMax))]),
      ...(auth.allowedOrigins === undefined ? [] : [variable('BARRAGE_GATEWAY_ORIGINS', auth.allowedOrigins.join(','))]),
      ...(auth.jwksURL === undefined ? [] : [variable('BARRAGE_JWKS_URL', auth.jwksURL)]),
      ...(auth.jwtSecret === undefined ? [] : [fromSecret('BARRAGE_JWT_SECRET', childNames.settings(pool), 'jwt-secret')]),
      ...(auth.jwtIssuer === undefined ? [] : [variable('BARRAGE_JWT_ISSUER', auth.jwtIssuer)]),
      ...(auth.jwtAudience === undefined ? [] : [variable('BARRAGE_JWT_AUDIENCE', auth.jwtAudience)]),
      ...(isAlone
        ? [
            variable('BARRAGE_PUBLISHER_HOST', anyAddress),
            variable('BARRAGE_PUBLISHER_PORT', String(ports.publish)),
            fromSecret('BARRAGE_API_KEYS', childNames.settings(pool), 'api-keys'),
          ]
        : []),
    ],
    ports: [clients, ...(isAlone ? [{ name: 'publish', containerPort: ports.publish, protocol: 'TCP' }] : [])],
    resources: { requests: { cpu: '100m', memory: '192Mi' }, limits: { memory: '1Gi' } },
    spec: {},
    fixedSpec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: drain.propagationSeconds + drain.deadlineSeconds + graceSecondsSpare,
      readinessGates: [{ conditionType: names.serving }],
    },
    preStopSeconds: drain.propagationSeconds,
    overlay: pool.spec.template,
  });
  const { labels, annotations } = template.metadata;
  const safeToEvict = { 'cluster-autoscaler.kubernetes.io/safe-to-evict': String(disruption.nodeAutoscalerEviction === 'Allow') };
  return { metadata: { labels, annotations: { ...safeToEvict, ...annotations } }, spec: template.spec };
}

/**
 * Drain settings for a deletion by anybody: the pod drains as it would for the operator. The deadline counts from the
 * deletion, and SIGTERM comes `propagationSeconds` later.
 */
function drainSettings(drain: GatewayPoolSpec['drain'], isAlone: boolean): readonly JsonObject[] {
  const drainMs = (drain.deadlineSeconds - drain.propagationSeconds) * 1000;
  if (isAlone) return [variable('BARRAGE_DRAIN_MS', String(Math.min(drainMs, aloneDrainMsMax)))];
  return [
    variable('BARRAGE_DRAIN_MS', String(drainMs)),
    variable('BARRAGE_DRAIN_CONNECTIONS_PER_SECOND', String(drain.connectionsPerSecond)),
  ];
}

/** Revision of a pool's gateways: ten hexadecimal digits. */
export function gatewayRevision(ingredients: PodIngredients): string {
  const known = revisions.get(ingredients);
  if (known !== undefined) return known;
  const revision = revisionOf(gatewayTemplate(ingredients), ownPreStop(ingredients.pool.spec.drain.propagationSeconds));
  revisions.set(ingredients, revision);
  return revision;
}

/** A reconcile asks several times for the revision of the same ingredients. */
const revisions = new WeakMap<PodIngredients, string>();

/** A pod of the present revision. */
export function gatewayPod(ingredients: PodIngredients, name: string): DesiredObject<'Pod'> {
  return podOfRevision(ingredients.pool, { revision: gatewayRevision(ingredients), template: templateOf(ingredients) }, name);
}

/** The pod of a `create-pod` action. */
export function podOfRevision(pool: GatewayPool, { revision, template }: KeptRevision, name: string): DesiredObject<'Pod'> {
  const { metadata, spec } = template;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: pool.metadata.namespace,
      labels: { ...metadata.labels, [names.label.revision]: revision, [names.label.gateway]: name },
      annotations: metadata.annotations,
      ownerReferences: [ownedBy(pool)],
    },
    spec,
  };
}
