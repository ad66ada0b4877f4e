import { childMetadata, childNames, podSelector, ports } from './labels.ts';
import type { DesiredObject, JsonObject } from './objects.ts';
import { fromSecret, podTemplate, variable, type PodIngredients } from './pod-template.ts';

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
      variable('BARRAGE_PUBLISHER_HOST', '0.0.0.0'),
      variable('BARRAGE_PUBLISHER_PORT', String(ports.publish)),
      fromSecret('BARRAGE_API_KEYS', childNames.settings(pool), 'api-keys'),
    ],
    ports: [{ name: 'publish', containerPort: ports.publish, protocol: 'TCP' }],
    resources: (publisher.resources as JsonObject | undefined) ?? {
      requests: { cpu: '100m', memory: '128Mi' },
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
      template,
    },
  };
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
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: targetCPUUtilizationPercent } } },
      ],
    },
  };
}
