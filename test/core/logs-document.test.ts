import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import type { LogTable } from '../../core/process/journal.ts';
import { processLines } from '../../core/process/log-lines.ts';
import { gatewayLines } from '../../gateway/accounts/log-lines.ts';
import { logLines } from '../../operator/kube/log-lines.ts';
import { publisherLines } from '../../publisher/log-lines.ts';
import { standaloneLines } from '../../standalone/log-lines.ts';

const page = readFileSync('docs/logs.md', 'utf8');

const tables: readonly (readonly [heading: string, table: LogTable])[] = [
  ['Every process', processLines],
  ['Gateway', gatewayLines],
  ['Publisher', publisherLines],
  ['All in one', standaloneLines],
  ['The operator', logLines],
];

/** Rows of a section's tables, each as its cells. */
function rowsOf(heading: string): readonly (readonly string[])[] {
  const [, text = ''] = page.split(`\n## ${heading}\n`);
  return text
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
}

test.each(tables)('%s: every line is documented with its level, its fields and what to do, and no other', (heading, table) => {
  const documented = rowsOf(heading).map(([, event = '', level = '', when = '', fields = '', remedy = '']) => {
    expect([event, when === '', remedy === '']).toEqual([event, false, false]);
    return [event.replaceAll('`', ''), level, [...fields.matchAll(/`(\w+)`/g)].map(([, field = '']) => field)];
  });
  expect(documented).toEqual(Object.entries(table).map(([event, { level, fields }]) => [event, level, [...fields]]));
});

test('an event has one meaning: its name is in one table', () => {
  const names = tables.flatMap(([, table]) => Object.keys(table));
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
});

test('every way in which a gateway ends a connection is in the table of causes', () => {
  const documented = rowsOf('Why was a user disconnected?').flatMap(([, by, codes = '']) => (by === '`gateway`' ? codes.split(', ') : []));
  const unused = [closeCodes.normal.code, closeCodes.overloaded.code];
  const used = Object.values(closeCodes).map(({ code }) => code);
  expect(used.filter((code) => !unused.includes(code as never) && !documented.includes(String(code)))).toEqual([]);
});

test('the bounds are told as they are', () => {
  expect(page).toContain(`${limits.clientLinesPerSecondMax.toLocaleString('en')} lines a second`);
  expect(page).toContain(`${limits.clientLinesBurst.toLocaleString('en')} at once`);
});

test('no line of a process goes past the tables', () => {
  const files = ['core', 'gateway', 'publisher', 'standalone', 'operator', 'ops'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  expect(files.length).toBeGreaterThan(100);
  const past = files.filter((file) => /\blogger\??\.(?:trace|debug|info|warn|error|fatal)\(/i.test(readFileSync(file, 'utf8')));
  expect(past).toEqual([]);
  expect(readFileSync('core/process/journal.ts', 'utf8')).toContain('this.#logger[level](');
});
