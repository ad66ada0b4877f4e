import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { gatewayPod } from '../../../operator/desired/gateway-pod.ts';
import type { JsonObject } from '../../../operator/desired/objects.ts';
import { networkPolicies } from '../../../operator/desired/network-policies.ts';
import { services } from '../../../operator/desired/pool-services.ts';
import { publisherDeployment } from '../../../operator/desired/publisher.ts';
import { connectionScaling } from '../decide/pool-fixture.ts';
import { environmentOf, ingredientsWith, ownContainer, templateSpec } from './ingredients.ts';

function podWith(spec: Parameters<typeof ingredientsWith>[0] = {}): {
  readonly spec: JsonObject | undefined;
  readonly container: JsonObject;
} {
  const { spec: made } = gatewayPod(ingredientsWith(spec), 'web-aaaaa-0');
  return { spec: made, container: ownContainer(made) };
}

test('with TLS of its own it mounts the Secret itself, keeps plain probes, and accepts fewer connections', () => {
  const tls = { secretName: 'certificate' };
  const { spec, container } = podWith({ tls });
  expect(environmentOf(container)).toMatchObject({
    BARRAGE_TLS_CERT_FILE: '/etc/barrage/tls/tls.crt',
    BARRAGE_TLS_KEY_FILE: '/etc/barrage/tls/tls.key',
  });
  expect(container['volumeMounts']).toContainEqual({ name: 'tls', mountPath: '/etc/barrage/tls', readOnly: true });
  const items = ['tls.crt', 'tls.key'].map((key) => ({ key, path: key }));
  expect(spec?.['volumes']).toContainEqual({ name: 'tls', secret: { secretName: 'certificate', defaultMode: 0o440, items } });
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
    expect(container[probe]).toMatchObject({ httpGet: { port: 'admin' } });
  expect(container['readinessProbe']).not.toHaveProperty('httpGet.scheme');
  const publisher = templateSpec(publisherDeployment(ingredientsWith({ tls })));
  expect(publisher['volumes']).toEqual(spec?.['volumes']);
  expect(environmentOf(ownContainer(publisher))).toHaveProperty('BARRAGE_TLS_CERT_FILE');
  const accepted = (target: number) => {
    const connections = { ...connectionScaling, targetConnectionsPerPod: target };
    return environmentOf(podWith({ tls, scaling: { type: 'Connections', connections } }).container)['BARRAGE_GATEWAY_CONNECTIONS_MAX'];
  };
  // The process's own default is the same 8,000.
  expect([accepted(4_000), accepted(4_001)]).toEqual([undefined, '8002']);
  expect(environmentOf(podWith().container)).not.toHaveProperty('BARRAGE_TLS_CERT_FILE');
});

test('all that the cluster asks a pod is the plain admin port, also with TLS: probes, monitors, policies and the operator', () => {
  const of = (spec: Parameters<typeof ingredientsWith>[0]) => {
    const ingredients = ingredientsWith(spec);
    const peers = { operatorNamespace: 'barrage', metricsNamespaces: { metrics: 'enabled' } };
    const { container } = podWith(spec);
    const publisher = ownContainer(templateSpec(publisherDeployment(ingredients)));
    const asked = [container, publisher].map((each) => ({
      ports: each['ports'],
      probes: [each['startupProbe'], each['livenessProbe'], each['readinessProbe']],
      lifecycle: each['lifecycle'],
      adminPort: environmentOf(each)['BARRAGE_ADMIN_PORT'],
    }));
    return { asked, policies: networkPolicies(ingredients.pool, peers), services: services(ingredients.pool) };
  };
  const withTls = of({ tls: { secretName: 'certificate' } });
  expect(withTls).toEqual(of({}));
  // The chart's PodMonitor finds this port by its name, and speaks plain HTTP to it.
  for (const { ports, adminPort } of withTls.asked) {
    expect(ports).toContainEqual({ name: 'admin', containerPort: 6780, protocol: 'TCP' });
    expect(adminPort).toBe('6780');
  }
  const monitors = readFileSync('charts/barrage/templates/monitors.yaml', 'utf8');
  expect(monitors).toMatch(/podMetricsEndpoints:\n +- port: admin\n/);
  expect(monitors).not.toMatch(/scheme:|tlsConfig:/);
});
