import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { alerts, ruleFile } from '../../../monitoring/alerts/rules.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { monitoringDefinitions, monitoringKinds } from '../../support/monitoring-api.ts';
import { chart, helm, helmDone, only, rendered, valueFlags } from './helm.ts';

interface RenderedRule {
  readonly alert?: string;
  readonly labels?: { readonly severity: string };
  readonly annotations?: { readonly runbook_url: string };
}

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedApiServer();
  for (const path of await monitoringDefinitions()) await cluster.kubectl(['apply', '--server-side', '-f', path]);
  const names = monitoringKinds.map((kind) => `crd/${kind}.monitoring.coreos.com`);
  await cluster.kubectl(['wait', '--for=condition=Established', ...names, '--timeout=30s']);
}, clusterTimeoutMs);

async function rulesWith(values: object): Promise<readonly RenderedRule[]> {
  const { spec } = only(await rendered({ 'monitoring.rules.enabled': true, ...values }), 'PrometheusRule');
  return (spec as unknown as { readonly groups: readonly { readonly rules: readonly RenderedRule[] }[] }).groups.flatMap(
    ({ rules }) => rules,
  );
}

test('the PrometheusRule has the rules of the file, and promtool finds no fault with them', async () => {
  const { metadata, spec } = only(
    await rendered({ 'monitoring.rules': { enabled: true, namespace: 'watch', labels: { release: 'prometheus' }, severity: {} } }),
    'PrometheusRule',
  );
  expect(spec).toEqual(ruleFile({ timeScale: 1 }));
  expect(metadata).toMatchObject({ name: 'barrage-alerts', namespace: 'watch', labels: { release: 'prometheus' } });
  const folder = await mkdtemp(join(tmpdir(), 'barrage-rules-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'rules.yaml'), stringify(spec));
  const { stdout } = await promisify(execFile)('promtool', ['check', 'rules', join(folder, 'rules.yaml')]);
  expect(stdout).toContain('SUCCESS');
});

test('runbooks lie where the value says, and severities are those of the values', async () => {
  const severity = { BarrageMostLeftOut: 'none', BarrageBusDown: 'warning' };
  const rules = await rulesWith({ 'monitoring.runbooksURL': 'https://wiki.example/barrage/', 'monitoring.rules.severity': severity });
  const byName = new Map(rules.map((rule) => [rule.alert, rule]));
  expect(byName.get('BarrageMostLeftOut')).toBeUndefined();
  expect(byName.get('BarrageBusDown')?.labels).toEqual({ severity: 'warning' });
  expect(byName.get('BarragePoolNotReady')?.labels).toEqual({ severity: 'critical' });
  expect(byName.get('BarrageBusDown')?.annotations?.runbook_url).toBe('https://wiki.example/barrage/bus-down.md');
  expect(rules.filter(({ alert }) => alert !== undefined)).toHaveLength(alerts.length - 1);
});

test.each([
  [
    'monitoring.rules.severity.BarrageBusUp=warning',
    'monitoring.rules.severity names BarrageBusUp, which is no alert: docs/alerts.md has them all',
  ],
  ['monitoring.rules.severity.BarrageBusDown=loud', "value must be one of 'critical', 'warning', 'info', 'none'"],
])('--set %s is refused, and what is wrong is said', async (value, message) => {
  const { status, stderr } = await helm(['template', 'barrage', chart, '--set', 'monitoring.rules.enabled=true', '--set', value]);
  expect([status, stderr]).toEqual([1, expect.stringContaining(message)]);
});

test('a real API server takes the rules; where it lacks the kind there are none, and the notes say so', async () => {
  // Other tests put the definitions there by kubectl: helm takes them over only when asked to.
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', 'crds/']);
  const namespace = await cluster.createNamespace('rules');
  const more = { 'monitoring.rules.severity': { BarrageMostLeftOut: 'none' }, 'monitoring.rules.labels': { release: 'prometheus' } };
  for (const values of [{}, more]) {
    const flags = ['template', 'barrage', chart, '--namespace', namespace, '--dry-run=server', '--take-ownership', ...valueFlags(values)];
    const text = await helmDone([...flags, '--show-only', 'templates/rules.yaml'], cluster.kubeconfig);
    expect(await cluster.kubectl(['apply', '--dry-run=server', '-f', '-'], text)).toContain(
      'prometheusrule.monitoring.coreos.com/barrage-alerts',
    );
  }
  expect((await rendered()).filter(({ kind }) => kind === 'PrometheusRule')).toEqual([]);
  const notes = await helmDone(['install', 'barrage', chart, '--dry-run=client', '--namespace', 'system']);
  expect(notes).toContain('The cluster has no PrometheusRule');
});
