import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { settingsTable } from '../../core/process/settings-table.ts';
import { shownRows } from './shown-rows.ts';

const document = readFileSync('docs/security.md', 'utf8');
const rows = shownRows(document);

test('each secret and each threat names the tests that show it, and each of them is there', () => {
  expect(rows.length).toBeGreaterThan(25);
  for (const row of rows) {
    const named = [...(row.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
    expect(named, row[0]).not.toEqual([]);
    expect(
      named.filter((path) => !/^test\/.+\.test\.ts$/.test(path) || !existsSync(path)),
      row[0],
    ).toEqual([]);
  }
});

test('every setting whose value is secret, and every one of a file with secrets, is told', () => {
  const secret = Object.values(settingsTable).filter((setting) => 'isSecret' in setting || setting.variable.endsWith('_KEY_FILE'));
  // A previous bus has the settings of the bus; Redis's login is told without its variables.
  const names = secret.map(({ variable }) => variable).filter((variable) => !/REDIS|OTEL/.test(variable));
  expect(names.length).toBeGreaterThan(4);
  expect(names.filter((variable) => !document.includes(`\`${variable}\``))).toEqual([]);
});
