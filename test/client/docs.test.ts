import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

test('the examples of docs/client.md type-check', { timeout: 60_000 }, () => {
  const examples = [...readFileSync('docs/client.md', 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => code ?? '');
  expect(examples.length).toBeGreaterThanOrEqual(3);
  // Beside docs/, so that their imports mean what they mean there.
  const folder = mkdtempSync('.docs-examples-');
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [index, code] of examples.entries()) writeFileSync(join(folder, `example-${index}.ts`), code);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../tsconfig.json', include: ['.'] }));
  const { status, stdout } = spawnSync('node_modules/.bin/tsc', ['-p', folder], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});
