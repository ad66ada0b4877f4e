import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generatedFiles } from '../../monitoring/metrics/files.ts';
import { listMetrics } from '../../monitoring/metrics/list.ts';
import { registriesOfProcesses } from '../../monitoring/metrics/registries.ts';

const family = /^(?:barrage|controller_runtime|workqueue|rest_client|leader_election)_[a-z0-9_]*[a-z0-9]$/;
const metrics = listMetrics(registriesOfProcesses());

test.each([...generatedFiles()])('%s is what `node monitoring/metrics/generate.ts` writes', (path, text) => {
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('every name of a metric in the code is in the list', () => {
  const files = globSync('{core,gateway,publisher,standalone,operator,ops}/**/*.ts');
  const quoted = files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/'([a-z0-9_]+)'/g)].map(([, word = '']) => word));
  const inCode = [...new Set(quoted.filter((word) => family.test(word)))];
  const listed = new Set(metrics.map(({ name }) => name));
  expect(inCode.length).toBeGreaterThan(40);
  expect(inCode.filter((name) => !listed.has(name))).toEqual([]);
});

test('every metric says what it means in a sentence', () => {
  expect(metrics.filter(({ name, help }) => family.test(name) && !/[.):]$/.test(help)).map(({ name }) => name)).toEqual([]);
});
