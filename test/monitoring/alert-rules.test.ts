import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Alert } from '../../monitoring/alerts/alert.ts';
import { promtoolTests } from '../../monitoring/alerts/promtool.ts';
import { alertGroups, alerts, ruleFileText } from '../../monitoring/alerts/rules.ts';

const run = promisify(execFile);

/**
 * Runs promtool on these rules and the examples of alerts. Each group is tested by itself: promtool evaluates all rules
 * of a file for every example.
 * @returns all that it says
 */
async function promtool(rules: string, examples: readonly Alert[], timeScale: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-rules-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'rules.yaml'), rules);
  const { groups } = parse(rules) as { readonly groups: readonly { readonly name: string }[] };
  const files: string[] = [];
  for (const group of groups) {
    const ofGroup = alertGroups.find(({ name }) => name === group.name)?.alerts.filter((alert) => examples.includes(alert)) ?? [];
    await writeFile(join(folder, `${group.name}.yaml`), stringify({ groups: [group] }));
    for (const [index, content] of promtoolTests(`${group.name}.yaml`, ofGroup, { timeScale }).entries()) {
      files.push(join(folder, `${group.name}-${index}-test.yaml`));
      await writeFile(files.at(-1) ?? '', stringify(content));
    }
  }
  const said = ({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): string => stdout + stderr;
  const checked = await run('promtool', ['check', 'rules', join(folder, 'rules.yaml')]).then(said);
  const tested = await run('promtool', ['test', 'rules', ...files]).then(said, said);
  return checked + tested;
}

test.each([1, 60])('at the time scale %i each alert fires and stays silent when it should', async (timeScale) => {
  const said = await promtool(ruleFileText({ timeScale }), alerts, timeScale);
  expect(said).toContain('rules found');
  expect(said).not.toContain('FAILED');
  // One for the rules, one for each group, and one for the longer steps of delivery.
  expect(said.match(/SUCCESS/g)?.length).toBe(1 + alertGroups.length + 1);
});

test('an example that does not fit its rule is told', async () => {
  const rules = ruleFileText({ timeScale: 1 }).replaceAll('== 0', '== 2').replaceAll('> 0.9', '> 0.99');
  const chosen = alerts.filter(({ name }) => ['BarrageBusDown', 'BarrageGatewayNearLimit', 'BarrageAppendsLate'].includes(name));
  expect(chosen).toHaveLength(3);
  const said = await promtool(rules, chosen, 1);
  for (const name of ['BarrageBusDown', 'BarrageGatewayNearLimit']) expect(said).toMatch(new RegExp(`FAILED[^]*${name}`));
  expect(said).not.toMatch(/BarrageAppendsLate fires/);
});
