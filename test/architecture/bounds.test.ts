import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { limits } from '../../core/limits.ts';
import { publisherBounds } from '../../publisher/bounds.ts';

const sources: Readonly<Record<string, Readonly<Record<string, number>>>> = { limits, publisher: publisherBounds };

/** The rows of `docs/bounds.md`, by cell. */
const rows = readFileSync('docs/bounds.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  );

test('each bound has the value of the code, a unit, and what happens beyond it', () => {
  expect(rows.length).toBeGreaterThan(40);
  for (const [name = '', value, unit, beyond] of rows) {
    const [source = '', bound = ''] = name.split('.');
    expect(sources[source]?.[bound], name).toBe(Number(value));
    expect([unit, beyond], name).not.toContain('');
  }
  expect(new Set(rows.map(([name]) => name)).size).toBe(rows.length);
});

test('each names a test that is there, and metrics that are exported', () => {
  const metrics = readFileSync('monitoring/metrics.json', 'utf8');
  for (const [name, , , , metric = '', shownBy = ''] of rows) {
    expect(existsSync(shownBy), `${name}: ${shownBy}`).toBe(true);
    if (metric !== '') expect(metrics, name).toContain(`"${metric}"`);
  }
});
