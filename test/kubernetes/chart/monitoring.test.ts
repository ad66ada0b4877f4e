import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { monitoringDefinitions, monitoringKinds } from '../../support/monitoring-api.ts';
import { Prometheus } from '../../support/prometheus.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { chart, helmDone, manifests, only, rendered, valueFlags } from './helm.ts';

let cluster: Cluster;
let namespace: string;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', 'crds/']);
  for (const path of await monitoringDefinitions()) await cluster.kubectl(['apply', '--server-side', '-f', path]);
  const names = monitoringKinds.map((kind) => `crd/${kind}.monitoring.coreos.com`);
  await cluster.kubectl(['wait', '--for=condition=Established', ...names, '--timeout=30s']);
  namespace = await cluster.createNamespace('monitored');
}, clusterTimeoutMs);

/**
 * What the chart makes for a cluster that has the kinds of prometheus-operator. Other tests may have put the
 * definitions there by kubectl, which helm takes over only when asked to.
 */
async function renderedThere(values: object): Promise<string> {
  const flags = ['template', 'barrage', chart, '--namespace', namespace, '--dry-run=server', '--take-ownership', ...valueFlags(values)];
  return helmDone(flags, cluster.kubeconfig);
}

const relabelings = [{ targetLabel: 'cluster', replacement: 'eu-1' }];
const everywhere = { enabled: true, namespace: '', labels: { release: 'prometheus' }, interval: '30s', relabelings };

const valueSets: readonly (readonly [name: string, values: object, monitors: readonly string[]])[] = [
  ['the defaults', {}, ['PodMonitor', 'ServiceMonitor']],
  ['no monitors', { 'monitoring.serviceMonitor.enabled': false, 'monitoring.podMonitor.enabled': false }, []],
  ['only the pools', { 'monitoring.serviceMonitor.enabled': false }, ['PodMonitor']],
  ['only the operator', { 'monitoring.podMonitor.enabled': false }, ['ServiceMonitor']],
  [
    'all that monitors may be',
    { 'monitoring.serviceMonitor': everywhere, 'monitoring.podMonitor': everywhere },
    ['PodMonitor', 'ServiceMonitor'],
  ],
  ['an interval of a minute', { 'monitoring.podMonitor.interval': '1m' }, ['PodMonitor', 'ServiceMonitor']],
  ['no Service', { 'metrics.service': false }, ['PodMonitor']],
  ['a network that enforces policies', { 'networkPolicy.enabled': true }, ['PodMonitor', 'ServiceMonitor']],
  [
    'peers of its own',
    { 'networkPolicy.enabled': true, 'networkPolicy.metricsFrom': [{ podSelector: { matchLabels: { app: 'prometheus' } } }] },
    ['PodMonitor', 'ServiceMonitor'],
  ],
  [
    'another label',
    { 'networkPolicy.enabled': true, 'monitoring.namespaceLabels': 'example.com/team=sre' },
    ['PodMonitor', 'ServiceMonitor'],
  ],
  ['no definitions', { 'crds.enabled': false }, ['PodMonitor', 'ServiceMonitor']],
  ['one operator', { replicas: 1, 'podDisruptionBudget.enabled': false }, ['PodMonitor', 'ServiceMonitor']],
  ['long names', { fullnameOverride: 'x'.repeat(45) }, ['PodMonitor', 'ServiceMonitor']],
];

test.each(valueSets)('a real API server takes the chart with %s', async (_, values, monitors) => {
  const text = await renderedThere(values);
  expect(await cluster.kubectl(['apply', '--dry-run=server', '-f', '-'], text)).toContain('deployment.apps/');
  const kinds = manifests(text).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind.endsWith('Monitor')).toSorted()).toEqual(monitors);
});

test('where the cluster lacks the kinds nothing is made, and the notes say so', async () => {
  expect((await rendered()).filter(({ apiVersion }) => apiVersion.startsWith('monitoring'))).toEqual([]);
  const notes = await helmDone(['install', 'barrage', chart, '--dry-run=client', '--namespace', 'system']);
  for (const kind of ['ServiceMonitor', 'PodMonitor']) expect(notes).toContain(`The cluster has no ${kind}`);
  const forced = await rendered({ 'monitoring.podMonitor.enabled': true });
  expect(only(forced, 'PodMonitor').metadata.name).toBe('barrage-pools');
});

test("the monitors find the operator's Service and the pods of pools, and name the pool of each series", async () => {
  const objects = manifests(await renderedThere({ watchNamespaces: [namespace], 'monitoring.podMonitor': everywhere }));
  const service = only(objects, 'Service').metadata.labels;
  const { selector } = only(objects, 'ServiceMonitor').spec as unknown as { readonly selector: { readonly matchLabels: object } };
  expect(service).toMatchObject(selector.matchLabels);
  const pods = only(objects, 'PodMonitor');
  expect(pods.metadata.labels).toMatchObject({ release: 'prometheus', 'app.kubernetes.io/managed-by': 'Helm' });
  expect(pods.spec).toMatchObject({
    namespaceSelector: { matchNames: [namespace] },
    podMetricsEndpoints: [{ port: 'admin', interval: '30s' }],
  });
  const { podMetricsEndpoints } = pods.spec as unknown as { readonly podMetricsEndpoints: readonly Endpoint[] };
  expect(podMetricsEndpoints[0]?.relabelings.map(({ targetLabel }) => targetLabel)).toEqual([
    'component',
    'job',
    'pool',
    'namespace',
    'pod',
    'cluster',
  ]);
});

test('one label lets Prometheus in to the operator and to its pools', async () => {
  const objects = manifests(await renderedThere({ 'networkPolicy.enabled': true, 'monitoring.namespaceLabels': 'b=2,example.com/a=' }));
  expect(JSON.stringify(only(objects, 'NetworkPolicy').spec)).toContain(
    '{"namespaceSelector":{"matchLabels":{"b":"2","example.com/a":""}}}',
  );
  expect(JSON.stringify(only(objects, 'Deployment').spec)).toContain(
    '{"name":"BARRAGE_OPERATOR_METRICS_NAMESPACES","value":"b=2,example.com/a="}',
  );
});

test('a real Prometheus gives each series its labels by the relabelings of the monitors', async () => {
  const objects = manifests(await renderedThere({}));
  const { podMetricsEndpoints } = only(objects, 'PodMonitor').spec as unknown as { readonly podMetricsEndpoints: readonly Endpoint[] };
  const { endpoints } = only(objects, 'ServiceMonitor').spec as unknown as { readonly endpoints: readonly Endpoint[] };
  const { port } = await TestStandalone.start();
  const meta = { __meta_kubernetes_namespace: 'shows', __meta_kubernetes_pod_name: 'live-x' };
  const ofPod = {
    __meta_kubernetes_pod_label_barrage_dev_pool: 'live',
    __meta_kubernetes_pod_label_app_kubernetes_io_component: 'gateway',
  };
  const prometheus = await Prometheus.start({
    targets: [
      { job: 'pods', address: `127.0.0.1:${port}`, labels: { ...meta, ...ofPod }, relabelings: spelled(podMetricsEndpoints) },
      {
        job: 'service',
        address: `127.0.0.1:${port}`,
        labels: meta,
        relabelings: spelled(endpoints),
        honorLabels: endpoints[0]?.honorLabels === true,
      },
    ],
  });
  onTestFinished(() => prometheus.stop());
  const labelsOf = async (job: string): Promise<unknown> => (await prometheus.query(`barrage_gateway_rooms{job="${job}"}`))[0]?.labels;
  await expect
    .poll(() => labelsOf('barrage-gateway'))
    .toMatchObject({ component: 'gateway', pool: 'live', namespace: 'shows', pod: 'live-x' });
  await expect.poll(() => labelsOf('barrage-operator')).toMatchObject({ namespace: 'shows', pod: 'live-x' });
});

interface Endpoint {
  readonly honorLabels?: boolean;
  readonly relabelings: readonly (Readonly<Record<string, unknown>> & { readonly targetLabel: string })[];
}

/** The relabelings of an endpoint in Prometheus' own spelling, which is prometheus-operator's work otherwise. */
function spelled([endpoint]: readonly Endpoint[]): readonly object[] | undefined {
  return endpoint?.relabelings.map((relabeling) =>
    Object.fromEntries(
      Object.entries(relabeling).map(([name, value]) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
    ),
  );
}
