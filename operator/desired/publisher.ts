import { childMetadata, childNames, names, podSelector, ports } from './labels.ts';
import type { DesiredObject, Json, JsonObject } from './objects.ts';
import { isObject } from './overlay.ts';
import { anyAddress, fromSecret, podTemplate, variable, type PodIngredients, type PodTemplate } from './pod-template.ts';

/** CPU request of a publisher whose pool names neither a request nor a limit. */
const cpuRequest = '100m';

/**
 * The publishers; none on a memory bus, whose single pod publishes too. The autoscaler owns the number of replicas, but
 * does nothing while it is 0.
 * @param replicas the Deployment's present number, where the Deployment exists
 */
export function publisherDeployment(ingredients: PodIngredients, replicas?: number): DesiredObject<'Deployment'> | undefined {
  const { pool } = ingredients;
  if (pool.spec.bus.type === 'Memory') return undefined;
  const { publisher } = pool.spec;
  const template = podTemplate(ingredients, {
    component: 'publisher',
    args: ['publisher'],
    env: [
      variable('BARRAGE_PUBLISHER_HOST', anyAddress),
      variable('BARRAGE_PUBLISHER_PORT', String(ports.publish)),
      fromSecret('BARRAGE_API_KEYS', childNames.settings(pool), 'api-keys'),
    ],
    ports: [{ name: 'publish', containerPort: ports.publish, protocol: 'TCP' }],
    resources: (publisher.resources as JsonObject | undefined) ?? {
      requests: { cpu: cpuRequest, memory: '128Mi' },
      limits: { memory: '512Mi' },
    },
    spec: {},
    fixedSpec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30 },
    preStopSeconds: 5,
    overlay: publisher.template,
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: childMetadata(pool, childNames.publisher(pool), 'publisher'),
    spec: {
      ...(replicas === 0 ? { replicas: 1 } : {}),
      selector: { matchLabels: podSelector(pool, 'publisher') },
      revisionHistoryLimit: 3,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: withCpuRequest(template),
    },
  };
}

/**
 * Gives the publisher's container a CPU request where the pool gives it neither request nor limit: the autoscaler
 * counts in shares of the request. A limit is the request's default in the API server.
 */
function withCpuRequest(template: PodTemplate): PodTemplate {
  const { containers } = template.spec;
  if (!Array.isArray(containers)) return template;
  const filled = containers.map((item: Json): Json => {
    if (!isObject(item) || item['name'] !== names.container) return item;
    const resources = item['resources'] ?? {};
    if (!isObject(resources)) return item;
    const { requests = {}, limits = {} } = resources;
    if (!isObject(requests) || requests['cpu'] !== undefined || (isObject(limits) && limits['cpu'] !== undefined)) return item;
    return { ...item, resources: { ...resources, requests: { ...requests, cpu: cpuRequest } } };
  });
  return { ...template, spec: { ...template.spec, containers: filled } };
}

export function publisherAutoscaler({ pool }: Pick<PodIngredients, 'pool'>): DesiredObject<'HorizontalPodAutoscaler'> | undefined {
  if (pool.spec.bus.type === 'Memory') return undefined;
  const { minReplicas, maxReplicas, targetCPUUtilizationPercent } = pool.spec.publisher;
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: childMetadata(pool, childNames.publisher(pool), 'publisher'),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: childNames.publisher(pool) },
      minReplicas,
      maxReplicas,
      metrics: [
        {
          // Only ours: the utilization of a whole pod is unknown where any container lacks a request.
          type: 'ContainerResource',
          containerResource: {
            name: 'cpu',
            container: names.container,
            target: { type: 'Utilization', averageUtilization: targetCPUUtilizationPercent },
          },
        },
      ],
    },
  };
}
