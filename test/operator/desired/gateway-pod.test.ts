import fc from 'fast-check';
import { expect, test } from 'vitest';
import { containersOf, environmentOf, ingredientsWith, keyPair, ownContainer } from './ingredients.ts';
import { connectionScaling, poolWith } from '../decide/pool-fixture.ts';
import { connectionsMax, connectionsMaxVariable } from '../../../operator/desired/connections-max.ts';
import { gatewayPod, gatewayRevision, gatewayTemplate } from '../../../operator/desired/gateway-pod.ts';
import { closeMsMax } from '../../../core/process/lifecycle.ts';
import { readSettings } from '../../../core/process/settings.ts';
import { childNames, names } from '../../../operator/desired/labels.ts';
import type { JsonObject } from '../../../operator/desired/objects.ts';
import { overruled } from '../../../operator/desired/overlay.ts';
import { restrictedBreaches } from '../../../operator/desired/pod-security.ts';
import { publisherDeployment } from '../../../operator/desired/publisher.ts';
import { observeGateway, type PoolPod } from '../../../operator/reconcile/pod-view.ts';

type Spec = Parameters<typeof ingredientsWith>[0];

function podWith(spec: Spec = {}, name = 'web-aaaaa-0') {
  const pod = gatewayPod(ingredientsWith(spec), name);
  return { pod, spec: pod.spec, container: ownContainer(pod.spec) };
}

test('a gateway runs without any privilege, without a token of the API server, and without the variables of Services', () => {
  const { spec, container } = podWith();
  expect(restrictedBreaches(spec ?? {})).toEqual([]);
  expect(spec).toMatchObject({
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(container).toMatchObject({
    args: ['gateway'],
    securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  });
});

test('its settings come as agreed: names by the downward API, secrets from a Secret', () => {
  const { container } = podWith({
    auth: { allowedOrigins: ['https://a.example', 'https://b.example'], webhookURL: 'https://auth.example/' },
  });
  expect(environmentOf(container)).toMatchObject({
    BARRAGE_GATEWAY_HOST: '::',
    BARRAGE_GATEWAY_PORT: '6790',
    BARRAGE_ADMIN_PORT: '6780',
    BARRAGE_REDIS_URL: { secretKeyRef: { name: 'web-settings', key: expect.stringMatching(/^[0-9a-f]{10}\.redis-url$/) } },
    BARRAGE_REDIS_PREFIX: 'live/web',
    BARRAGE_POOL_FOLDER: '/etc/barrage/pool',
    BARRAGE_POOL_PUBLIC_KEY: keyPair.publicKey.trim().replaceAll('\n', String.raw`\n`),
    BARRAGE_POD_UID: { fieldRef: { fieldPath: 'metadata.uid' } },
    BARRAGE_GATEWAY_NAME: { fieldRef: { fieldPath: 'metadata.name' } },
    BARRAGE_GATEWAY_ORIGINS: 'https://a.example,https://b.example',
    BARRAGE_AUTH_URL: 'https://auth.example/',
  });
  expect(environmentOf(container)).not.toHaveProperty('BARRAGE_API_KEYS');
});

test('it accepts twice its target, at least the usual number and at most what a process can hold', () => {
  const accepted = (target: number) => {
    const connections = { maxReplicas: 9, targetConnectionsPerPod: target };
    return environmentOf(podWith({ scaling: { type: 'Connections', connections: { ...connectionScaling, ...connections } } }).container)[
      'BARRAGE_GATEWAY_CONNECTIONS_MAX'
    ];
  };
  expect([9_999, 10_000, 10_001, 30_000, 100_000, 100_001].map(accepted)).toEqual([
    undefined,
    undefined,
    '20002',
    '60000',
    '200000',
    '200000',
  ]);
  expect(environmentOf(podWith().container)).not.toHaveProperty('BARRAGE_GATEWAY_CONNECTIONS_MAX');
});

test('the number of connections in a template counts instead of the one that follows the target', () => {
  const variable = { name: connectionsMaxVariable, value: '25000' };
  const spec = (env: readonly object[]): Spec => ({
    scaling: { type: 'Connections', connections: { ...connectionScaling, targetConnectionsPerPod: 30_000 } },
    template: { spec: { containers: [{ name: 'barrage', env }] } } as never,
  });
  expect(environmentOf(podWith(spec([variable])).container)).toMatchObject({ BARRAGE_GATEWAY_CONNECTIONS_MAX: '25000' });
  expect(connectionsMax(poolWith(spec([variable])))).toBe(25_000);
  expect(connectionsMax(poolWith(spec([{ name: connectionsMaxVariable, valueFrom: { configMapKeyRef: { name: 'a', key: 'b' } } }])))).toBe(
    undefined,
  );
  expect(connectionsMax(poolWith(spec([])))).toBe(60_000);
  for (const containers of [7, [7], [{ name: 'barrage', env: 'x' }]])
    expect(connectionsMax(poolWith({ ...spec([]), template: { spec: { containers } } as never }))).toBe(60_000);
});

test('a greatest age of connections is a setting of the gateway, which takes it; without one the pod is as ever', () => {
  for (const [spec, seconds] of [
    [{ maxConnectionAgeSeconds: 300 }, 300],
    [{ maxConnectionAgeSeconds: 2_592_000, bus: { type: 'Memory' }, replicas: 1 }, 2_592_000],
  ] as const) {
    const { BARRAGE_CONNECTION_AGE_MAX_SECONDS: age = '' } = environmentOf(podWith(spec).container);
    const read = readSettings({ BARRAGE_CONNECTION_AGE_MAX_SECONDS: String(age) });
    expect(read).toMatchObject({ kind: 'settings', settings: { connectionAgeMaxSeconds: seconds } });
  }
  expect(environmentOf(podWith({ maxConnectionAgeSeconds: 0 }).container)).not.toHaveProperty('BARRAGE_CONNECTION_AGE_MAX_SECONDS');
  const revisionWith = (maxConnectionAgeSeconds: number): string => gatewayRevision(ingredientsWith({ maxConnectionAgeSeconds }));
  expect(revisionWith(0)).toBe(gatewayRevision(ingredientsWith()));
  // A pod's environment can't change: other gateways take its place.
  expect(revisionWith(300)).not.toBe(revisionWith(0));
});

test('it ends in its own time: propagation before SIGTERM, then the drain of the pool to its deadline, and a spare', () => {
  const { spec, container } = podWith({ drain: { propagationSeconds: 7, deadlineSeconds: 100, connectionsPerSecond: 33 } });
  expect(spec?.['terminationGracePeriodSeconds']).toBe(137);
  expect(container['lifecycle']).toEqual({ preStop: { sleep: { seconds: 7 } } });
  expect(environmentOf(container)).toMatchObject({ BARRAGE_DRAIN_MS: '93000', BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: '33' });
});

test.each([
  ['the least drain', { propagationSeconds: 0, deadlineSeconds: 10, connectionsPerSecond: 1 }],
  ['the least time after the propagation', { propagationSeconds: 120, deadlineSeconds: 121, connectionsPerSecond: 1 }],
  ['the greatest drain', { propagationSeconds: 0, deadlineSeconds: 86_400, connectionsPerSecond: 100_000 }],
])('%s that a pool may ask for is one that a gateway takes, and has ended when the kubelet would kill', (_, drain) => {
  const { spec, container } = podWith({ drain });
  const { BARRAGE_DRAIN_MS: drainMs = '', BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: rate = '' } = environmentOf(container);
  const variables = { BARRAGE_DRAIN_MS: String(drainMs), BARRAGE_DRAIN_CONNECTIONS_PER_SECOND: String(rate) };
  expect(readSettings(variables)).toMatchObject({ kind: 'settings', settings: { drainConnectionsPerSecond: drain.connectionsPerSecond } });
  const endedAfterMs = drain.propagationSeconds * 1000 + Number(drainMs) + closeMsMax;
  expect(Number(spec?.['terminationGracePeriodSeconds']) * 1000 - endedAfterMs).toBeGreaterThan(20_000);
});

test('it is ready when the operator says so too, and belongs to the pool', () => {
  const { spec, pod } = podWith();
  expect(spec?.['readinessGates']).toEqual([{ conditionType: 'barrage.dev/Serving' }]);
  expect(pod.metadata.ownerReferences).toEqual([
    { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', name: 'web', uid: 'pool-uid', controller: true, blockOwnerDeletion: true },
  ]);
  expect(pod.metadata.labels).toMatchObject({
    'barrage.dev/pool': 'web',
    'barrage.dev/revision': gatewayRevision(ingredientsWith()),
    'barrage.dev/gateway': 'web-aaaaa-0',
    'app.kubernetes.io/component': 'gateway',
    'app.kubernetes.io/managed-by': 'barrage-operator',
  });
});

test('document and policies lie in one folder, and a pod starts before they are there', () => {
  const volumes = podWith().spec?.['volumes'] as readonly {
    projected: { sources: readonly { configMap: { name: string; optional: boolean } }[] };
  }[];
  const sources = volumes[0]?.projected.sources.map(({ configMap }) => configMap) ?? [];
  expect(sources.map(({ name }) => name).slice(0, 3)).toEqual(['web-pool', 'web-policies-0', 'web-policies-1']);
  expect(sources.every(({ optional }) => optional)).toBe(true);
});

test('Redis by TLS trusts the authority of the Secret', () => {
  const redis = { mode: 'Standalone' as const, addresses: ['redis:6379'], tls: { caSecret: { name: 'redis-ca' } } };
  const { container, spec } = podWith({ bus: { type: 'Redis', redis } });
  const { BARRAGE_BUS: id, BARRAGE_REDIS_CA_FILE: file } = environmentOf(container);
  expect(file).toBe(`/etc/barrage/redis-ca/${String(id)}.crt`);
  expect(spec?.['volumes']).toContainEqual(
    expect.objectContaining({
      name: 'redis-ca',
      secret: expect.objectContaining({
        secretName: 'web-settings',
        items: [{ key: `${String(id)}.redis-ca`, path: `${String(id)}.crt` }],
      }),
    }),
  );
});

test('a host port is taken where the exposure asks for it, and nowhere else', () => {
  expect(restrictedBreaches(podWith({ exposure: { type: 'HostPort' } }).spec ?? {})).toEqual(['container barrage: it has a host port']);
});

test('on a memory bus the one pod is publisher too', () => {
  const pod = gatewayPod(
    { ...ingredientsWith(), buses: undefined, pool: { ...poolWith(), spec: { ...poolWith().spec, bus: { type: 'Memory' } } } },
    'web-a-0',
  );
  expect(ownContainer(pod.spec)['args']).toEqual(['standalone']);
  expect(environmentOf(ownContainer(pod.spec))).toMatchObject({ BARRAGE_PUBLISHER_HOST: '::', BARRAGE_API_KEYS: expect.anything() });
  expect(environmentOf(ownContainer(pod.spec))).not.toHaveProperty('BARRAGE_REDIS_URL');
  // Who stays with it while it ends hears nothing: publishers do not reach it any more.
  expect(environmentOf(ownContainer(pod.spec))).toMatchObject({ BARRAGE_DRAIN_MS: '5000' });
  expect(environmentOf(ownContainer(pod.spec))).not.toHaveProperty('BARRAGE_DRAIN_CONNECTIONS_PER_SECOND');
});

test('a node autoscaler may move it, unless the pool says no', () => {
  const annotation = 'cluster-autoscaler.kubernetes.io/safe-to-evict';
  expect(podWith().pod.metadata.annotations?.[annotation]).toBe('true');
  const blocked = podWith({ disruption: { maxUnavailable: 1, nodeAutoscalerEviction: 'Block' } });
  expect(blocked.pod.metadata.annotations?.[annotation]).toBe('false');
});

test('a template adds sidecars, resources, labels and tolerations', () => {
  const template = {
    metadata: { labels: { team: 'live' }, annotations: { note: 'x' } },
    spec: {
      tolerations: [{ key: 'spot', operator: 'Exists' }],
      containers: [
        { name: 'barrage', image: 'barrage:2', resources: { limits: { memory: '2Gi' } }, env: [{ name: 'NODE_OPTIONS', value: '--x' }] },
        { name: 'sidecar', image: 'sidecar:1' },
      ],
    },
  };
  const { pod, spec, container } = podWith({ template });
  expect(container).toMatchObject({ image: 'barrage:2', resources: { requests: { cpu: '100m' }, limits: { memory: '2Gi' } } });
  expect(environmentOf(container)).toMatchObject({ NODE_OPTIONS: '--x', BARRAGE_ADMIN_PORT: '6780' });
  expect(containersOf(spec).map(({ name }) => name)).toEqual(['barrage', 'sidecar']);
  expect(spec?.['tolerations']).toEqual([{ key: 'spot', operator: 'Exists' }]);
  expect(pod.metadata.labels['team']).toBe('live');
});

test('a template can not take away what the operator depends on', () => {
  const template = {
    metadata: { labels: { 'barrage.dev/pool': 'stolen', 'barrage.dev/gateway': 'x', 'app.kubernetes.io/component': 'x' } },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      readinessGates: [],
      containers: [
        {
          name: 'barrage',
          args: ['operator'],
          env: [
            { name: 'BARRAGE_ADMIN_PORT', value: '1' },
            { name: 'BARRAGE_POD_UID', value: 'x' },
          ],
        },
      ],
    },
  };
  const { pod, spec, container } = podWith({ template });
  expect(pod.metadata.labels).toMatchObject({
    'barrage.dev/pool': 'web',
    'barrage.dev/gateway': 'web-aaaaa-0',
    'app.kubernetes.io/component': 'gateway',
  });
  expect(spec).toMatchObject({
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 580,
    readinessGates: [{ conditionType: 'barrage.dev/Serving' }],
  });
  expect(container['args']).toEqual(['gateway']);
  expect(environmentOf(container)).toMatchObject({
    BARRAGE_ADMIN_PORT: '6780',
    BARRAGE_POD_UID: { fieldRef: { fieldPath: 'metadata.uid' } },
  });
});

test('labels and annotations below barrage.dev/ in a template reach no pod, and are named', () => {
  // As in what `kubectl get pod -o yaml` shows of a gateway that leaves.
  const template = {
    metadata: {
      labels: {
        'barrage.dev/gateway': 'web-aaaaa-7',
        'barrage.dev/revision': 'old',
        'barrage.dev/mine': 'x',
        'barrage.developers/mine': 'kept',
      },
      annotations: {
        [names.annotation.drainStarted]: '2026-11-22T10:00:00.000Z',
        [names.annotation.drainDeadline]: '2026-11-22T10:09:00.000Z',
        [names.annotation.settingsDigest]: 'old',
        note: 'kept',
      },
    },
  };
  const named = [
    ...['drain-deadline', 'drain-started', 'settings-digest'].map((name) => `metadata.annotations.barrage.dev/${name}`),
    ...['gateway', 'mine', 'revision'].map((name) => `metadata.labels.barrage.dev/${name}`),
  ];
  const publishers = publisherDeployment(ingredientsWith({ publisher: { template } }))?.spec?.['template'] as JsonObject;
  expect(overruled(template, publishers).toSorted()).toEqual(named);
  expect(overruled(template, gatewayTemplate(ingredientsWith({ template }))).toSorted()).toEqual(named);
  const { pod } = podWith({ template });
  expect(observeGateway({ ...pod, metadata: { ...pod.metadata, uid: 'uid' } } as PoolPod, undefined).drain).toBeUndefined();
  expect(pod.metadata.labels).toMatchObject({ 'barrage.dev/gateway': 'web-aaaaa-0', 'barrage.developers/mine': 'kept' });
  expect(pod.metadata.labels).not.toHaveProperty(['barrage.dev/mine']);
  expect(pod.metadata.annotations).toMatchObject({ note: 'kept' });
});

test('privileges that a template asks for are given, and found', () => {
  const template = { spec: { hostNetwork: true, containers: [{ name: 'barrage', securityContext: { privileged: true, runAsUser: 0 } }] } };
  const { spec } = podWith({ template });
  expect(restrictedBreaches(spec ?? {})).toEqual([
    'spec.hostNetwork is true',
    'container barrage: it is privileged',
    'container barrage: it runs as root',
  ]);
});

test('the revision changes with what gateways are made of', () => {
  const base = gatewayRevision(ingredientsWith());
  expect(base).toMatch(/^[0-9a-f]{10}$/);
  expect(gatewayRevision(ingredientsWith())).toBe(base);
  const changed = [
    gatewayRevision(ingredientsWith({}, { image: 'barrage:2' })),
    gatewayRevision(ingredientsWith({}, { settingsDigests: { gateway: 'other', publisher: 'x' } })),
    gatewayRevision(ingredientsWith({}, { publicKey: 'other' })),
    gatewayRevision(ingredientsWith({ template: { metadata: { labels: { a: 'b' } } } })),
    gatewayRevision(ingredientsWith({ exposure: { type: 'HostPort' } })),
  ];
  expect(new Set([base, ...changed]).size).toBe(6);
});

test('the revision does not change with what moves nobody: the number of gateways, drains, scaling, publishers', () => {
  const base = gatewayRevision(ingredientsWith());
  const { connections: _none, ...scaling } = poolWith().spec.scaling;
  for (const spec of [
    { replicas: 9 },
    { paused: true },
    { drain: { propagationSeconds: 1, deadlineSeconds: 20, connectionsPerSecond: 3 } },
    { scaling },
    { publisher: { minReplicas: 5 } },
  ])
    expect(gatewayRevision(ingredientsWith(spec)), JSON.stringify(spec)).toBe(base);
});

test('of what happens at the end of a pod only what the operator writes itself moves nobody', () => {
  const drain = (propagationSeconds: number) => ({ propagationSeconds, deadlineSeconds: 540, connectionsPerSecond: 200 });
  const revision = (template: object, propagationSeconds = 10) =>
    gatewayRevision(ingredientsWith({ template, drain: drain(propagationSeconds) }));
  const preStop = (name: string, command: string) => ({
    spec: { containers: [{ name, lifecycle: { preStop: { sleep: null, exec: { command: [command] } } } }] },
  });
  const seconds = (count: number) => ({
    spec: { containers: [{ name: 'barrage', livenessProbe: { terminationGracePeriodSeconds: count } }] },
  });
  const drainVariable = (name: string, value: string) => ({
    spec: { containers: [{ name, env: [{ name: 'BARRAGE_DRAIN_MS', value }] }] },
  });
  expect(revision({}, 3)).toBe(revision({}));
  for (const name of ['proxy', 'barrage']) expect(revision(preStop(name, 'a')), name).not.toBe(revision(preStop(name, 'b')));
  expect(revision(preStop('barrage', 'a'))).not.toBe(revision({}));
  expect(revision(preStop('barrage', 'a'), 3)).toBe(revision(preStop('barrage', 'a')));
  expect(revision({ metadata: { annotations: { preStop: 'a' } } })).not.toBe(revision({ metadata: { annotations: { preStop: 'b' } } }));
  expect(revision(seconds(5))).not.toBe(revision(seconds(6)));
  expect(revision(drainVariable('proxy', '1'))).not.toBe(revision(drainVariable('proxy', '2')));
  expect(revision(drainVariable('barrage', '1'))).toBe(revision({}));
});

test('the revision does not depend on the order of keys in a template', () => {
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.dictionary(fc.string({ minLength: 1 }), fc.string()));
  const spec = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value, { maxKeys: 6 });
  fc.assert(
    fc.property(spec, (overlay) => {
      const reversed = Object.fromEntries(Object.entries(overlay).toReversed());
      expect(gatewayRevision(ingredientsWith({ template: { spec: reversed } }))).toBe(
        gatewayRevision(ingredientsWith({ template: { spec: overlay } })),
      );
    }),
  );
});

test('no secret is in a pod, and a pool of the longest name has names that fit', () => {
  const pool = { ...poolWith(), metadata: { ...poolWith().metadata, name: 'p'.repeat(40) } };
  const text = JSON.stringify(gatewayTemplate({ ...ingredientsWith(), pool }));
  expect(text).not.toContain('PRIVATE KEY');
  for (const name of [
    childNames.policies(pool, 63),
    childNames.gateways(pool),
    childNames.settings(pool),
    `${pool.metadata.name}-abcde-999`,
  ])
    expect(name.length).toBeLessThanOrEqual(63);
});

test('what a template can not have is named: ownership, settings and draining depend on it', () => {
  const template = {
    metadata: {
      labels: { [names.label.pool]: 'another', team: 'live' },
      annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' },
    },
    spec: {
      terminationGracePeriodSeconds: 5,
      priorityClassName: 'high',
      containers: [
        {
          name: 'barrage',
          args: ['publisher'],
          env: [
            { name: 'BARRAGE_ADMIN_PORT', value: '1' },
            { name: 'BARRAGE_LOG_LEVEL', value: 'debug' },
          ],
        },
        { name: 'sidecar', image: 'sidecar:1' },
      ],
    },
  };
  const made = gatewayTemplate(ingredientsWith({ template }));
  expect(overruled(template, made)).toEqual([
    `metadata.labels.${names.label.pool}`,
    'spec.containers[barrage].args',
    'spec.containers[barrage].env[BARRAGE_ADMIN_PORT].value',
    'spec.terminationGracePeriodSeconds',
  ]);
});
