import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { alertFiles } from '../../../monitoring/alerts/files.ts';
import { alertGroups, alerts, ruleFile, runbookFolder, runbookUrl } from '../../../monitoring/alerts/rules.ts';
import { scaledDuration, scaledExpression } from '../../../monitoring/alerts/time-scale.ts';
import { checkQuery, type Catalogue, type QueriedMetric } from '../../../monitoring/promql.ts';

const exported = JSON.parse(readFileSync('monitoring/metrics.json', 'utf8')) as readonly QueriedMetric[];
const recordings = alertGroups.flatMap((group) => group.recordings);
const catalogue: Catalogue = {
  metrics: [...exported, ...recordings.map(({ name }) => ({ name, type: 'gauge', labels: [] }))],
  targetLabels: ['namespace', 'pool', 'pod', 'instance', 'job'],
};
const runbooks = readdirSync(runbookFolder);
const headings = ['What it means', 'How to see it', 'What to do', 'When to wake whom'];

test('the rules and their page are the generated ones', () => {
  for (const [path, text] of alertFiles())
    expect(readFileSync(path, 'utf8'), `node monitoring/alerts/generate.ts writes ${path}`).toBe(text);
});

test('names are unique, and begin with Barrage', () => {
  const names = alerts.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !/^Barrage[A-Z][A-Za-z]+$/.test(name))).toEqual([]);
  expect(names.length).toBeGreaterThan(20);
});

describe.each([...alerts, ...recordings.map((recording) => ({ ...recording, fires: undefined }))])('$name', ({ expression }) => {
  test('parses, and uses only what the processes export', () => {
    expect(checkQuery(expression, catalogue).faults).toEqual([]);
  });

  test('has no rate per second, which would differ at another time scale', () => {
    const outsideOfRatio = expression.replaceAll(/1 - sum by \([a-z, ]+\) \(rate\(.*/g, '');
    expect(outsideOfRatio).not.toMatch(/\b(?:i?rate|deriv)\(/);
  });
});

describe.each(alerts)('$name', (alert) => {
  test('has a summary without figures, a description with names or figures, and an example of each kind', () => {
    expect(alert.summary).toMatch(/^[^{}]{20,100}\.$/);
    expect(alert.description).toMatch(/\{\{.*\}\}/);
    expect(alert.fires.alerts.length).toBeGreaterThan(0);
    for (const { series, atMinutes } of [alert.fires, alert.silent]) {
      expect(Object.keys(series).length).toBeGreaterThan(0);
      expect(atMinutes).toBeGreaterThan(minutesOf(alert.forDuration));
    }
  });

  test('both examples use series of metrics that its expression has', () => {
    const used = new Set(seriesOf(alert.expression).flatMap((name) => [name, ...recordedFrom(name)]));
    for (const { series } of [alert.fires, alert.silent]) {
      const names = Object.keys(series).map((selector) => selector.slice(0, selector.indexOf('{')));
      expect(names.filter((name) => used.has(name)).length).toBeGreaterThan(0);
      expect(checkQuery(names.join(' or '), catalogue).faults).toEqual([]);
    }
  });

  test('has a runbook that names it', () => {
    expect(existsSync(runbookUrl(alert))).toBe(true);
    expect(readFileSync(runbookUrl(alert), 'utf8')).toContain(`\`${alert.name}\``);
  });
});

describe.each(runbooks)('%s', (file) => {
  const text = readFileSync(`${runbookFolder}/${file}`, 'utf8');

  test('belongs to an alert, and has the four parts in their order', () => {
    expect(alerts.map(({ runbook }) => `${runbook}.md`)).toContain(file);
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(headings);
    const parts = text.split(/^## .*$/m).slice(1);
    expect(parts.filter((part) => part.trim().length < 40)).toEqual([]);
  });

  test('its queries, log events, commands of the plugin and links exist', () => {
    const queries = [...text.matchAll(/```promql\n([^`]*)```/g)].map(([, query = '']) => query.trim());
    expect(queries.flatMap((query) => checkQuery(query, catalogue).faults)).toEqual([]);
    const known = new Set(catalogue.metrics.flatMap(({ name }) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]));
    const named = [...text.matchAll(/\b(?:barrage|controller_runtime|rest_client|nodejs|process|leader_election)_[a-z0-9_]+/g)].map(
      ([name]) => name,
    );
    expect(named.filter((name) => !known.has(name))).toEqual([]);
    const greps = [...text.matchAll(/grep (?:-E )?'?([a-z|-]+)'?$/gm)].flatMap(([, words = '']) => words.split('|'));
    expect(greps.filter((word) => !readFileSync('docs/logs.md', 'utf8').includes(`\`${word}\``))).toEqual([]);
    const plugin = [...text.matchAll(/kubectl barrage ([a-z]+)/g)].map(([, command = '']) => command);
    expect(plugin.filter((command) => !readFileSync('docs/kubectl.md', 'utf8').includes(`| \`${command}\` |`))).toEqual([]);
    const links = [...text.matchAll(/\]\(([^)#]+\.md)(?:#[^)]*)?\)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(`${runbookFolder}/${link}`))).toEqual([]);
  });
});

test('a time scale divides windows and waits, and nothing else', () => {
  const expression = 'increase(a{b="5m"}[5m]) > 300 and c offset 1h > 5 or x:rate5m';
  expect(scaledExpression(expression, 1)).toBe(expression);
  expect(scaledExpression(expression, 60)).toBe('increase(a{b="5m"}[5000ms]) > 300 and c offset 60000ms > 5 or x:rate5m');
  expect(scaledDuration('3d', 60)).toBe('4320000ms');
  expect(() => scaledDuration('1h30m', 60)).toThrow('no duration of one unit');
  const [one, sixty] = [1, 60].map((timeScale) => JSON.stringify(ruleFile({ timeScale })));
  expect(sixty?.replaceAll(/\d+m?s/g, '')).toBe(one?.replaceAll(/(?<![a-z0-9])\d+[mhd](?![a-z0-9])/g, ''));
});

function seriesOf(expression: string): readonly string[] {
  return checkQuery(expression, catalogue).series;
}

/** Series from which a recording is made; none for what is no recording. */
function recordedFrom(recording: string): readonly string[] {
  return recordings.filter(({ name }) => name === recording).flatMap(({ expression }) => seriesOf(expression));
}

function minutesOf(duration: string): number {
  return Number(scaledDuration(duration, 60).replace('ms', '').replace('0m', '0')) / 1000;
}
