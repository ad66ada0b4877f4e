import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LogTable } from '../../../core/process/journal.ts';
import { processLines } from '../../../core/process/log-lines.ts';
import { logLines } from '../../../operator/kube/log-lines.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { OtlpCollector, type CollectedSpan } from '../../support/otlp-collector.ts';
import { OperatedCluster, type LogLine } from './operated-cluster.ts';

let operated: OperatedCluster;

beforeAll(async () => {
  operated = await OperatedCluster.start({ nodes: 2, connections: 20 });
}, clusterTimeoutMs);
afterAll(async () => {
  await operated.stop();
});

const pool = 'live';

/** How often the lines tell of each action, by its kind and pod. */
function actions(lines: readonly LogLine[]): Readonly<Record<string, number>> {
  const taken = lines.filter(({ event }) => event === 'action-taken').map(({ action, pod }) => [action, pod].join(' '));
  return Object.fromEntries([...Map.groupBy(taken, (words) => words)].map(([words, each]) => [words, each.length]));
}

function once(kinds: readonly string[], pods: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(pods.flatMap((pod) => kinds.map((kind) => [`${kind} ${pod}`, 1])));
}

function told(lines: readonly LogLine[], ...events: readonly string[]): readonly string[] {
  return lines.filter(({ event }) => events.includes(event)).map(({ event, reason }) => [event, reason].join(' ').trim());
}

const documentedLines: LogTable = { ...processLines, ...logLines };
const podNames = (): readonly string[] => operated.gateways(pool).map(({ metadata }) => metadata.name);
const leaving = ['mark-draining', 'send-drain', 'delete-pod'];

test('the log of an operator tells each action, rollout and fault of a pool once', { timeout: 240_000 }, async () => {
  await operated.applyPool(pool, { replicas: 4 });
  const operator = await operated.startOperator({ logLevel: 'info' });
  let seen = 0;
  const lines = (): readonly LogLine[] => operator.log.slice(seen);
  const untilTold = (wanted: Readonly<Record<string, number>>): Promise<void> => expect.poll(() => actions(lines())).toEqual(wanted);
  await operated.untilConverged();
  const first = podNames();
  await untilTold(once(['create-pod', 'set-serving'], first));
  expect(told(lines(), 'rollout-began', 'rollout-resumed', 'pool-scaled')).toEqual([]);

  seen = operator.log.length;
  const template = { metadata: { annotations: { round: '2' } } };
  await operated.applyPool(pool, { replicas: 4, template });
  await operated.untilConverged();
  await untilTold({ ...once(['create-pod', 'set-serving'], podNames()), ...once(leaving, first) });
  await expect.poll(() => told(lines(), 'rollout-ended')).toHaveLength(1);
  const stages = told(lines(), 'rollout-began', 'rollout-progressed', 'rollout-ended');
  expect([stages[0], stages.at(-1)]).toEqual(['rollout-began', 'rollout-ended']);
  // Two quarters may come at the same time.
  expect(stages.length).toBeGreaterThan(2);
  expect(stages.length).toBeLessThanOrEqual(5);

  seen = operator.log.length;
  const four = podNames();
  await operated.applyPool(pool, { replicas: 3, template });
  await operated.untilConverged();
  const gone = four.filter((name) => !podNames().includes(name));
  expect(gone).toHaveLength(1);
  await untilTold(once(leaving, gone));
  expect(told(lines(), 'pool-scaled')).toEqual(['pool-scaled ScaledDown']);

  seen = operator.log.length;
  await operated.applyPool(pool, { replicas: 3, template, auth: { jwtSecret: { name: 'absent', key: 'key' } } });
  await expect.poll(() => told(lines(), 'fault-began'), { timeout: 30_000 }).toEqual(['fault-began MissingSecret']);
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'absent' },
    stringData: { key: 'a shared key that nobody may read' },
  };
  await operated.cluster.kubectl(['-n', operated.namespace, 'apply', '-f', '-'], JSON.stringify(secret));
  await expect.poll(() => told(lines(), 'fault-ended'), { timeout: 30_000 }).toEqual(['fault-ended MissingSecret']);
  await operated.untilConverged();
  expect(told(lines(), 'fault-began', 'fault-ended')).toEqual(['fault-began MissingSecret', 'fault-ended MissingSecret']);

  for (const line of operator.log) {
    const documented = documentedLines[line.event];
    expect(line).toMatchObject({ level: documented?.level, message: documented?.message });
    const others = Object.keys(line).filter((field) => !['time', 'level', 'part', 'event', 'message'].includes(field));
    expect(others.filter((field) => documented?.fields.includes(field) !== true)).toEqual([]);
    expect(line).toMatchObject({ part: 'operator', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) });
    if (line.event === 'action-taken') expect(line).toMatchObject({ namespace: operated.namespace, pool, pod: expect.any(String) });
  }
  expect(JSON.stringify(operator.log)).not.toContain('nobody may read');
});

test('each reconcile is a trace, with its plan and its requests to the API server in it', { timeout: 120_000 }, async () => {
  await using collector = await OtlpCollector.start();
  await operated.applyPool('traced', { replicas: 2 });
  const variables = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '200',
  };
  const operator = await operated.startOperator({ variables });
  await operated.untilConverged();
  await operator.close();

  const { spans } = collector;
  expect(new Set(spans.map(({ service, instance }) => `${service} ${instance}`))).toEqual(new Set(['barrage-operator operator']));
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const rootOf = (span: CollectedSpan): CollectedSpan => {
    const parent = byId.get(span.parentSpanId);
    return parent === undefined ? span : rootOf(parent);
  };
  const reconciles = spans.filter(({ name }) => name === 'reconcile');
  for (const reconcile of reconciles) {
    expect(reconcile.parentSpanId).toBe('');
    expect([pool, 'traced']).toContain(reconcile.attributes['barrage.pool']);
    expect(reconcile.attributes['k8s.namespace.name']).toBe(operated.namespace);
  }
  const plans = spans.filter(({ name }) => name === 'plan');
  expect(plans.map(({ attributes }) => attributes['barrage.plan.desired'])).toContain(2);
  expect(plans.some(({ attributes }) => Number(attributes['barrage.plan.actions']) >= 2)).toBe(true);
  for (const plan of plans) expect(rootOf(plan).attributes['barrage.controller']).toBe('gatewaypool');

  const createdPods = spans.filter(({ name, attributes }) => name === 'kube create' && String(attributes['url.path']).endsWith('/pods'));
  expect(createdPods.length).toBeGreaterThanOrEqual(2);
  for (const { attributes, fault } of createdPods) {
    expect(attributes).toMatchObject({ 'http.request.method': 'POST', 'barrage.result': 'done' });
    expect(fault).toBeUndefined();
  }
  expect(new Set(createdPods.map((span) => rootOf(span).name))).toEqual(new Set(['reconcile']));
  const statuses = spans.filter(
    ({ name, attributes }) => name === 'kube apply' && String(attributes['url.path']).endsWith('/traced/status'),
  );
  expect(new Set(statuses.map((span) => rootOf(span).name))).toEqual(new Set(['reconcile']));
  // The Lease is renewed every few seconds: it would be all that one sees.
  expect(spans.filter(({ attributes }) => String(attributes['url.path']).includes('/leases'))).toEqual([]);
  const sent = collector.requests.map(({ body }) => body.toString()).join('\n');
  for (const secret of ['BEGIN PRIVATE KEY', 'redis://']) expect(sent).not.toContain(secret);
});
