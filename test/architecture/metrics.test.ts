import { globSync, readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { ClientMetrics } from '../../operator/kube/client-metrics.ts';
import { ControllerTelemetry } from '../../operator/reconcile/controller-telemetry.ts';
import { silentJournal } from '../support/silent-journal.ts';

const family = /^(?:barrage|controller_runtime|workqueue|rest_client|leader_election)_[a-z0-9_]*[a-z0-9]$/;

/** Every name of a metric that the code has in quotes, and those that the operator puts together. */
async function namesInCode(): Promise<readonly string[]> {
  const files = globSync('{core,gateway,publisher,standalone,operator}/**/*.ts');
  const quoted = files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/'([a-z0-9_]+)'/g)].map(([, word = '']) => word));
  const registry = new Registry();
  void new ClientMetrics(registry);
  void new ControllerTelemetry(registry, silentJournal);
  const registered = (await registry.getMetricsAsJSON()).map(({ name }) => name);
  return [...new Set([...quoted.filter((word) => family.test(word)), ...registered])].toSorted();
}

function namesInDocument(): readonly string[] {
  const rows = readFileSync('docs/metrics.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'));
  const words = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z0-9_]+)(?:\{[a-z,_]*\})?`/g)]);
  return [...new Set(words.map(([, word = '']) => word))].filter((word) => family.test(word)).toSorted();
}

test('docs/metrics.md has every metric, and no other', async () => {
  expect(namesInDocument()).toEqual(await namesInCode());
});
