import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { gatewayRoute, poolRoute } from '../../../operator/desired/exposure.ts';
import { podSelector } from '../../../operator/desired/labels.ts';
import { services } from '../../../operator/desired/pool-services.ts';
import { poolWith } from '../../operator/decide/pool-fixture.ts';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { gatewayApiDefinition } from '../../support/gateway-api.ts';

const page = readFileSync('docs/ingress.md', 'utf8');
const blocks = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, block = '']) => block);

interface Made {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly rules?: readonly {
      readonly host?: string;
      readonly http?: {
        readonly paths: readonly {
          readonly backend: { readonly service: { readonly name: string; readonly port: { readonly number: number } } };
        }[];
      };
      readonly backendRefs?: readonly { readonly name: string; readonly port: number }[];
    }[];
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly { readonly targetPort: number }[];
  };
}

const made = blocks.flatMap((block) => parseAllDocuments(block).map((document) => document.toJS() as Made));
let cluster: Cluster;
let namespace: string;

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  for (const kind of kinds) await cluster.kubectl(['apply', '--server-side', '-f', await gatewayApiDefinition(kind)]);
  await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=60s', ...definitions]);
  namespace = await cluster.createNamespace('last-mile');
}, clusterTimeoutMs);
afterAll(async () => {
  await cluster.kubectl(['delete', '--wait=false', ...definitions]);
});
const kinds = ['gateways', 'httproutes'] as const;
const definitions = kinds.map((kind) => `crd/${kind}.gateway.networking.k8s.io`);

test('every YAML of the page of the last mile is one that the API server takes, field for field', async () => {
  for (const block of blocks) await cluster.kubectl(['-n', namespace, 'create', '--validate=strict', '-f', '-'], block);
  const all = 'ingresses,gateways.gateway.networking.k8s.io,httproutes,services,configmaps,gatewaypools';
  const names = await cluster.kubectl(['-n', namespace, 'get', all, '-o', 'name']);
  for (const { kind, metadata } of made)
    expect(names, `${kind} ${metadata.name}`).toMatch(new RegExp(`^${kind.toLowerCase()}[^/]*/${metadata.name}$`, 'm'));
  expect(made.map(({ kind }) => kind).toSorted()).toEqual(
    ['ConfigMap', 'Gateway', 'GatewayPool', 'GatewayPool', 'HTTPRoute', 'HTTPRoute', 'Ingress', 'Ingress', 'Service'].toSorted(),
  );
});

test("the operator's own routes are such too", async () => {
  const httpRoute = { hostname: 'live.example.com', parentRef: { name: 'edge', sectionName: 'https' } };
  const pool = poolWith({ exposure: { type: 'HTTPRoute', httpRoute } });
  const items = [poolRoute(pool), ...gatewayRoute(pool, { name: 'web-aaaaa-0', uid: 'uid' })].map((object) => {
    if (object === undefined) throw new Error('there is no route');
    return { ...object, metadata: { ...object.metadata, namespace } };
  });
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const apply = ['apply', '--server-side', '--field-manager=barrage-operator', '--dry-run=server', '--validate=strict'];
  expect((await cluster.kubectl([...apply, '-f', '-'], list)).match(/httproute[^ ]* serverside-applied/g)).toHaveLength(2);
});

test('Ingresses and routes lead to the Services of the pool, and the LoadBalancer to its gateways', () => {
  const backends = made.flatMap(({ spec }) =>
    (spec?.rules ?? []).flatMap(({ http, backendRefs = [] }) => [
      ...(http?.paths ?? []).map(({ backend: { service } }) => `${service.name}:${service.port.number}`),
      ...backendRefs.map(({ name, port }) => `${name}:${port}`),
    ]),
  );
  expect(backends).toHaveLength(6);
  const pool = poolWith();
  const live = { ...pool, metadata: { ...pool.metadata, name: 'live' } };
  const ofPool = services(live).map(
    ({ metadata, spec }) => `${metadata.name}:${(spec as { readonly ports: readonly { readonly port: number }[] }).ports[0]?.port}`,
  );
  for (const backend of backends) expect(ofPool).toContain(backend);
  const edge = made.find(({ kind }) => kind === 'Service');
  expect(edge?.spec?.selector).toEqual(podSelector(live, 'gateway'));
  expect(edge?.spec?.ports?.map(({ targetPort }) => targetPort)).toEqual([6790]);
});
