import { expect, test } from 'vitest';
import { unitFolders } from '../suite.ts';
import { readSource, readSources } from './imports.ts';
import { unitFaults } from './unit-tests.ts';

const sources = ['test', 'backend', 'core', 'gateway', 'publisher', 'client', 'standalone', 'operator', 'ops', 'sizing'].flatMap((folder) =>
  readSources(folder),
);

test('npm run test:unit runs every test that starts nothing, and no other', () => {
  expect(unitFaults(sources, unitFolders)).toEqual([]);
});

test.each([
  ['a folder without a test', ['test/nowhere'], [], 'test/nowhere is a unit folder without a test'],
  [
    'a test that starts nothing, outside',
    ['test/core'],
    [['test/gateway/sockets/a.test.ts', "import { a } from '../../../core/limits.ts';"]],
    'test/gateway/sockets/a.test.ts starts nothing: move it to a unit folder',
  ],
  [
    'a test that starts a process itself',
    ['test/core'],
    [['test/core/a.test.ts', "import { spawn } from 'node:child_process';"]],
    'test/core/a.test.ts lies in a unit folder and starts something: test/core/a.test.ts',
  ],
  [
    'a test whose support opens sockets',
    ['test/core'],
    [
      ['test/core/a.test.ts', "import { b } from '../support/b.ts';"],
      ['test/support/b.ts', "export { c } from './c.ts';"],
      ['test/support/c.ts', "import { WebSocket } from 'ws';"],
    ],
    'test/core/a.test.ts lies in a unit folder and starts something: test/core/a.test.ts > test/support/b.ts > test/support/c.ts',
  ],
  [
    'a test that imports what listens in the product',
    ['test/core'],
    [
      ['test/core/a.test.ts', "const later = await import('../../publisher/planted.ts');"],
      ['publisher/planted.ts', 'const server = createServer(listener);'],
    ],
    'test/core/a.test.ts lies in a unit folder and starts something: test/core/a.test.ts > publisher/planted.ts',
  ],
] as const)('a planted fault is found: %s', (_, folders, planted, fault) => {
  const kept = folders.map((folder) => readSource(`${folder}/kept.test.ts`, ''));
  const files = planted.map(([path, text]) => readSource(path, text));
  expect(unitFaults([...(planted.length === 0 ? [] : kept), ...files], folders)).toEqual([fault]);
});

test('types alone start nothing, neither do the product’s checks of addresses', () => {
  const files = [
    readSource('test/core/a.test.ts', "import type { Socket } from 'node:net';\nimport { b } from '../../core/b.ts';"),
    readSource('core/b.ts', "import { isIP } from 'node:net';"),
  ];
  expect(unitFaults(files, ['test/core'])).toEqual([]);
});
