import { afterAll, beforeAll, expect, test } from 'vitest';
import { ingredientsWith, keyPair, templateSpec } from '../../operator/desired/ingredients.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { documentConfigMap, policyConfigMaps } from '../../../operator/desired/config-maps.ts';
import { gatewayBudget, publisherBudget } from '../../../operator/desired/disruption-budgets.ts';
import { gatewayPod } from '../../../operator/desired/gateway-pod.ts';
import { networkPolicies } from '../../../operator/desired/network-policies.ts';
import type { DesiredObject } from '../../../operator/desired/objects.ts';
import type { PodIngredients } from '../../../operator/desired/pod-template.ts';
import { publisherAutoscaler, publisherDeployment } from '../../../operator/desired/publisher.ts';
import { busSettings } from '../../../operator/desired/bus-settings.ts';
import { apiKeySecret, settingsSecret, signingSecret } from '../../../operator/desired/secrets.ts';
import { services } from '../../../operator/desired/pool-services.ts';

let cluster: Cluster;
let restricted: string;

beforeAll(async () => {
  cluster = await sharedApiServer();
  restricted = await cluster.createNamespace('desired', { 'pod-security.kubernetes.io/enforce': 'restricted' });
}, clusterTimeoutMs);
afterAll(() => cluster.kubectl(['delete', 'namespace', restricted, '--wait=false']));

/** What the API server says to server-side apply of these objects by the operator, without keeping them. */
async function tryApply(objects: readonly (DesiredObject | undefined)[]): Promise<string> {
  const items = objects
    .filter((object) => object !== undefined)
    .map((object) => ({ ...object, metadata: { ...object.metadata, namespace: restricted } }));
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  return cluster
    .kubectl(['apply', '--server-side', '--field-manager=barrage-operator', '--dry-run=server', '--validate=strict', '-f', '-'], list)
    .catch(String);
}

function everything(ingredients: PodIngredients): readonly (DesiredObject | undefined)[] {
  const { pool } = ingredients;
  return [
    signingSecret(pool, keyPair),
    apiKeySecret(pool, 'a'.repeat(32)),
    settingsSecret(pool, { bus: busSettings(pool, { credentials: undefined, ca: undefined }, []), apiKeys: ['a'.repeat(32)] }),
    ...services(pool),
    ...networkPolicies(pool, { operatorNamespace: 'barrage', metricsNamespaces: { metrics: 'enabled' } }),
    gatewayBudget(pool, { minAvailable: 1, unhealthyPods: 'IfHealthyBudget' }),
    publisherBudget(pool),
    publisherDeployment(ingredients),
    publisherAutoscaler(ingredients),
    documentConfigMap(pool, '{}'),
    ...policyConfigMaps(pool, ['{"channels":[]}']),
    gatewayPod(ingredients, 'web-aaaaa-0'),
    publisherPod(ingredients),
  ];
}

/** A Deployment is never refused by Pod Security, only its pods are. */
function publisherPod(ingredients: PodIngredients): DesiredObject {
  const { metadata } = gatewayPod(ingredients, 'publisher');
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: templateSpec(publisherDeployment(ingredients)) };
}

const redis = { mode: 'Standalone' as const, addresses: ['redis:6379'], tls: { caSecret: { name: 'redis-ca' } } };
const overlay = {
  metadata: { labels: { team: 'live' } },
  spec: {
    tolerations: [{ key: 'spot', operator: 'Exists' }],
    containers: [{ name: 'barrage', resources: { limits: { memory: '2Gi', cpu: 1 } }, env: [{ name: 'NODE_OPTIONS', value: '--x' }] }],
  },
};

test.each([
  ['of a ten-line pool', ingredientsWith()],
  ['with a certificate of its own', ingredientsWith({ tls: { secretName: 'live-tls' } })],
  [
    'with Redis by TLS, origins and a webhook',
    ingredientsWith({ bus: { type: 'Redis', redis }, auth: { webhookURL: 'https://a.example', allowedOrigins: ['*'] } }),
  ],
  ['with templates', ingredientsWith({ template: overlay, publisher: { template: overlay } })],
])('the API server takes every child %s, in a namespace that enforces restricted', async (_which, ingredients) => {
  const objects = everything(ingredients);
  const answer = await tryApply(objects);
  expect(answer).not.toMatch(/error|warning|unknown field|violate/i);
  expect(answer.trim().split('\n')).toHaveLength(objects.length);
});

test('the namespace refuses the pod of HostPort and of a privileged template, for the reasons that we find ourselves', async () => {
  expect(await tryApply([gatewayPod(ingredientsWith({ exposure: { type: 'HostPort' } }), 'web-aaaaa-0')])).toMatch(
    /violates PodSecurity.*hostPort/,
  );
  const template = { spec: { containers: [{ name: 'barrage', securityContext: { privileged: true } }] } };
  expect(await tryApply([gatewayPod(ingredientsWith({ template }), 'web-aaaaa-0')])).toMatch(/violates PodSecurity|Cannot set/i);
});

test('an unknown field in a template is refused by its name', async () => {
  const template = { spec: { contaners: [] } };
  expect(await tryApply([gatewayPod(ingredientsWith({ template }), 'web-aaaaa-0')])).toMatch(
    /unknown field.*contaners|contaners.*not declared/,
  );
});
