import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ruleFileText } from '../../../monitoring/alerts/rules.ts';
import type { Operator } from '../../../operator/operator.ts';
import { applyDefinitions, startOperator } from '../../pods/operated-pool.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { Prometheus, type FiredAlert } from '../../support/prometheus.ts';
import { gatewayPool, redisBus, Surroundings } from '../conditions/observation.ts';

let at: Surroundings;
let operator: Operator;

beforeAll(async () => {
  const cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  at = new Surroundings(cluster, await cluster.createNamespace('alerts'));
  operator = await startOperator(cluster, at.namespace);
}, clusterTimeoutMs);
afterAll(async () => {
  await operator?.close();
  await at?.kubectl('delete', 'namespace', at.namespace, '--wait=false');
});

/** The condition's message, by the command of the runbook. */
async function messageByRunbook(alert: FiredAlert): Promise<string> {
  const text = readFileSync(alert.annotations['runbook_url'] ?? '', 'utf8');
  const [, path = ''] = /^kubectl -n NAMESPACE get gatewaypool POOL -o jsonpath='(.*)'$/m.exec(text) ?? [];
  return at.kubectl('get', 'gatewaypool', alert.labels['pool'] ?? '', '-o', `jsonpath=${path}`);
}

// Windows and waits of the rules are sixty times as short.
test(
  'a pool without its Secret is told by name and reason; its runbook names the Secret, and the alert of that reason ends',
  { timeout: 90_000 },
  async () => {
    const labels = { namespace: 'barrage-system', pod: 'barrage-operator-1' };
    const target = { job: 'barrage-operator', address: `127.0.0.1:${operator.metricsPort}`, labels, honorLabels: true };
    const prometheus = await Prometheus.start({ targets: [target], rules: [ruleFileText({ timeScale: 60 })] });
    onTestFinished(() => prometheus.stop());
    const firing = async (): Promise<readonly string[]> =>
      (await prometheus.alerts()).flatMap(({ state, labels: of }) =>
        state === 'firing' ? [`${of['alertname']} ${of['reason'] ?? ''}`] : [],
      );

    await at.apply(gatewayPool('web', { replicas: 1, bus: redisBus, auth: { apiKeysSecret: { name: 'backend' } } }));
    await expect.poll(firing, { timeout: 40_000 }).toContain('BarragePoolNotReady MissingSecret');
    const alert = (await prometheus.alerts()).find(
      ({ labels: of }) => of['reason'] === 'MissingSecret' && of['alertname'] === 'BarragePoolNotReady',
    );
    if (alert === undefined) throw new Error('it is over');
    expect(alert.labels).toMatchObject({ namespace: at.namespace, pool: 'web', severity: 'critical' });
    expect(alert.annotations['description']).toBe(`Pool ${at.namespace}/web is not ready: MissingSecret.`);
    expect(await messageByRunbook(alert)).toContain('Secret backend');

    await at.kubectl('create', 'secret', 'generic', 'backend', '--from-literal=mobile=good-key-0123456789');
    await expect.poll(firing, { timeout: 40_000 }).not.toContain('BarragePoolNotReady MissingSecret');
    // No node runs its pods: that is the next reason. The operator itself is well.
    await expect.poll(firing, { timeout: 40_000 }).toContain('BarragePoolNotReady Unschedulable');
    expect((await firing()).filter((name) => name.startsWith('BarrageOperator') || name.startsWith('BarrageTarget'))).toEqual([]);
  },
);
