import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const folder = new URL('../../../core/redis/', import.meta.url);

test('the Redis bus takes its time from the clock that it is handed', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(10);
  const own = /\b(?:setTimeout|setInterval|performance\.now|Date\.now)\b/;
  expect(files.filter((name) => own.test(readFileSync(new URL(name, folder), 'utf8')))).toEqual([]);
});
