import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import type { Alert } from '../../monitoring/alerts/alert.ts';
import { promtoolTests } from '../../monitoring/alerts/promtool.ts';
import { alerts, ruleFileText } from '../../monitoring/alerts/rules.ts';

const run = promisify(execFile);

/** Runs promtool on these rules and the examples of alerts. @returns all that it says */
async function promtool(rules: string, examples: readonly Alert[], timeScale: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-rules-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const ruleFile = join(folder, 'rules.yaml');
  await writeFile(ruleFile, rules);
  const files = promtoolTests('rules.yaml', examples, { timeScale }).map((content, index) => ({
    content,
    path: join(folder, `${index}.yaml`),
  }));
  for (const { path, content } of files) await writeFile(path, stringify(content));
  const said = ({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): string => stdout + stderr;
  const checked = await run('promtool', ['check', 'rules', ruleFile]).then(said);
  const tested = await run('promtool', ['test', 'rules', ...files.map(({ path }) => path)]).then(said, said);
  return checked + tested;
}

test.each([1, 60])('at the time scale %i each alert fires and stays silent when it should', async (timeScale) => {
  const said = await promtool(ruleFileText({ timeScale }), alerts, timeScale);
  expect(said).toContain('rules found');
  expect(said).not.toContain('FAILED');
  expect(said.match(/SUCCESS/g)?.length).toBeGreaterThan(2);
});

test('an example that does not fit its rule is told', async () => {
  const rules = ruleFileText({ timeScale: 1 }).replaceAll('== 0', '== 2').replaceAll('> 0.9', '> 0.99');
  const chosen = alerts.filter(({ name }) => ['BarrageBusDown', 'BarrageGatewayNearLimit', 'BarrageAppendsLate'].includes(name));
  expect(chosen).toHaveLength(3);
  const said = await promtool(rules, chosen, 1);
  for (const name of ['BarrageBusDown', 'BarrageGatewayNearLimit']) expect(said).toMatch(new RegExp(`FAILED[^]*${name}`));
  expect(said).not.toMatch(/BarrageAppendsLate fires/);
});
