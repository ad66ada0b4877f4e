import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';

test('the examples of docs/client.md type-check', { timeout: 60_000 }, () => {
  const examples = [...readFileSync('docs/client.md', 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => code ?? '');
  expect(examples.length).toBeGreaterThanOrEqual(3);
  // As deep as docs/, so that their imports mean what they mean there.
  mkdirSync('.cache', { recursive: true });
  const project = '.cache/docs-client.json';
  const files = examples.map((_, index) => `docs-client-${index}.ts`);
  onTestFinished(() => {
    for (const path of [project, ...files.map((file) => `.cache/${file}`)]) rmSync(path);
  });
  for (const [index, file] of files.entries()) writeFileSync(`.cache/${file}`, examples[index] ?? '');
  writeFileSync(project, JSON.stringify({ extends: '../tsconfig.json', files, include: [] }));
  const { status, stdout } = spawnSync('node_modules/.bin/tsc', ['-p', project], { encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});
