import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dashboardFiles, dashboards, dashboardsFolder } from '../../../monitoring/dashboards/files.ts';
import { runbooksPlaceholder } from '../../../monitoring/dashboards/grafana.ts';
import { placed, type Dashboard, type Panel } from '../../../monitoring/dashboards/panel.ts';
import { variables } from '../../../monitoring/dashboards/variables.ts';
import { checkQuery, withVariables, type Catalogue, type QueriedMetric } from '../../../monitoring/promql.ts';

const catalogue: Catalogue = {
  metrics: JSON.parse(readFileSync('monitoring/metrics.json', 'utf8')) as readonly QueriedMetric[],
  targetLabels: ['namespace', 'pool', 'pod', 'job', 'instance'],
};
/** Any value does: what is checked here does not depend on values. */
const anyValues = {
  ...Object.fromEntries(Object.keys(variables).map((name) => [name, 'x'])),
  __rate_interval: '1m',
};

const panelsOf = ({ sections }: Dashboard): readonly Panel[] => sections.flatMap(({ panels }) => panels);
const all = dashboards.flatMap((dashboard) => panelsOf(dashboard).map((panel) => [`${dashboard.name}: ${panel.title}`, panel] as const));

test('the chart holds what the code generates, and nothing else', () => {
  const files = dashboardFiles();
  for (const [path, text] of files) expect(readFileSync(path, 'utf8'), `${path}: run node monitoring/dashboards/generate.ts`).toBe(text);
  expect(globSync(`${dashboardsFolder}/*`).toSorted()).toEqual(files.map(([path]) => path).toSorted());
});

test('there are the five dashboards, and each has panels and variables', () => {
  expect(dashboards.map(({ name }) => name)).toEqual(['overview', 'gateways', 'publishers-and-bus', 'operator-and-scaling', 'channel']);
  for (const dashboard of dashboards) {
    expect(panelsOf(dashboard).length, dashboard.name).toBeGreaterThan(5);
    expect(dashboard.variables.length, dashboard.name).toBeGreaterThan(1);
  }
});

test('docs/dashboards.md tells each dashboard, its file and what it answers', () => {
  const rows = dashboards.map(
    ({ name, title, description }) => `| ${title} | \`${name}.json\` | ${description.split('. Gateways tell')[0]}`,
  );
  const page = readFileSync('docs/dashboards.md', 'utf8');
  expect(rows.filter((row) => !page.includes(row))).toEqual([]);
  expect(page.match(/^\| Barrage \//gm)).toHaveLength(dashboards.length);
});

test.each(all)('%s: its queries parse, and use what is exported by the labels that it has', (_, panel) => {
  const { queries } = panel;
  expect(queries.length).toBeGreaterThan(0);
  for (const { expression, legend } of queries) {
    const { faults, labels, series } = checkQuery(withVariables(expression, anyValues), catalogue);
    expect(faults).toEqual([]);
    expect(series.length).toBeGreaterThan(0);
    const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
    expect(
      named.filter((label) => !labels.includes(label)),
      legend,
    ).toEqual([]);
    if (panel.kind !== 'figure') expect(legend, 'a series needs a name').not.toBe('');
  }
});

test('each panel says what it tells, and from which figure on it is bad', () => {
  for (const [name, { description, kind, unit, thresholds, words }] of all) {
    expect(description, name).toMatch(/^[A-Z][^]{20,}\.$/);
    if (kind === 'figure' && (unit === 'percentunit' || unit === 's')) expect(thresholds, name).toBeDefined();
    if (kind === 'states') expect(words?.length, name).toBeGreaterThan(0);
  }
});

test.each(Object.entries(variables))('the variable %s lists values of a label that its metric has', (name, { query }) => {
  const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
  const { faults, labels } = checkQuery(withVariables(selector, anyValues), catalogue);
  expect(faults).toEqual([]);
  expect(labels).toContain(label);
  expect(label).toBe(name === 'operator' ? 'job' : name);
});

test('a dashboard uses the variables that it has, those before them included, and has no other', () => {
  for (const { name, variables: own, sections } of dashboards) {
    const texts = sections.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expression }) => expression)));
    const used = new Set(texts.flatMap((text) => [...text.matchAll(/\$([a-z]+)/g)].map(([, word = '']) => word)));
    expect([...used].toSorted(), name).toEqual([...own].toSorted());
  }
});

test('every link to a runbook leads to a page', () => {
  const linked = all.flatMap(([name, { runbook }]) => (runbook === undefined ? [] : [[name, `docs/runbooks/${runbook}.md`] as const]));
  expect(linked.length).toBeGreaterThan(20);
  expect(linked.filter(([, path]) => !existsSync(path))).toEqual([]);
  const texts = dashboardFiles().map(([, text]) => text);
  expect(texts.join('').split(runbooksPlaceholder).length - 1).toBe(linked.length);
});

/** Grafana's grid in a window of 1280 pixels: the menu is closed, and there are 8 pixels around each panel. */
const windowWidth = 1280;
const columnWidth = (windowWidth - 2 * 16) / 24;
/** Mean width of a character of Grafana's title and legend (Inter at 14 and 12 pixels), in pixels. */
const [titleCharacter, legendCharacter] = [7.1, 6.2];
/** Names in a real pool: of a pod, and of others. */
const longest: Readonly<Record<string, number>> = { pod: 'live-gateway-0abcd'.length, pool: 'live'.length };

test.each(dashboards.map((dashboard) => [dashboard.name, dashboard] as const))('%s is readable at 1280 pixels', (_, { sections }) => {
  const places = placed(sections).flatMap(({ section, panels }) => [section, ...panels]);
  for (const { x, w, h } of places) {
    expect(w).toBeGreaterThanOrEqual(6);
    expect(x + w).toBeLessThanOrEqual(24);
    expect(h).toBeGreaterThanOrEqual(1);
  }
  for (const [index, one] of places.entries())
    for (const other of places.slice(index + 1)) {
      const isApart = one.x + one.w <= other.x || other.x + other.w <= one.x || one.y + one.h <= other.y || other.y + other.h <= one.y;
      expect(isApart, JSON.stringify([one, other])).toBe(true);
    }
  const panels = placed(sections).flatMap(({ panels: at }, index) =>
    at.map((place, each) => [place, sections[index]!.panels[each]!] as const),
  );
  for (const [{ w }, { title, kind, queries }] of panels) {
    const width = w * columnWidth - 16;
    expect(title.length, title).toBeLessThanOrEqual(40);
    // Beside the title are the signs for its description and its link.
    expect(title.length * titleCharacter, title).toBeLessThan(width - 48);
    if (kind === 'lines' || kind === 'states')
      for (const { legend } of queries) {
        const text = legend.replaceAll(/\{\{(\w+)\}\}/g, (_whole, label: string) => 'x'.repeat(longest[label] ?? 14));
        // Two names of a legend have room side by side.
        expect(2 * (text.length * legendCharacter + 24), `${title}: ${legend}`).toBeLessThan(width);
      }
  }
  const titles = panels.map(([, { title }]) => title);
  const doubled = titles.filter((title, index) => titles.indexOf(title) !== index);
  expect(doubled).toEqual([]);
});
