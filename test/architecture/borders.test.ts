import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { breaches, circles, pureFiles, pureFolders, reach } from './borders.ts';
import { readSource, readSources } from './imports.ts';

const parts = [
  'backend',
  'core',
  'gateway',
  'publisher',
  'client',
  'standalone',
  'operator',
  'monitoring',
  'ops',
  'cli',
  'sizing',
  'release',
];
const sources = parts.flatMap((part) => readSources(part));

test('the borders between the folders hold', () => {
  expect(breaches(sources)).toEqual([]);
});

test('no files import each other in a circle, not even types', () => {
  expect(circles(sources)).toEqual([]);
});

test('the guard looks at something: every folder is on the map, and what the map names exists and has imports to look at', () => {
  const folders = new Set(sources.map(({ path }) => path.split('/').slice(0, -1).slice(0, 2).join('/')));
  expect([...folders].toSorted()).toEqual(Object.keys(reach).toSorted());
  expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(500);
  for (const folder of folders) {
    const inside = sources.filter(({ path }) => path.startsWith(`${folder}/`));
    expect(inside.length, folder).toBeGreaterThan(0);
  }
  expect([...pureFiles, ...pureFolders].filter((path) => !existsSync(path))).toEqual([]);
});

test('a circle of types is found', () => {
  const one = readSource('core/one.ts', "import type { Two } from './two.ts';");
  const two = readSource('core/two.ts', "import type { One } from './one.ts';");
  expect(circles([one, two])).toEqual(['core/one.ts → core/two.ts → core/one.ts']);
});

test.each([
  ['gateway/planted.ts', "import { a } from '../publisher/mesh.ts';"],
  ['core/planted.ts', "import { a } from '../gateway/room.ts';"],
  ['publisher/planted.ts', "import { WebSocket } from 'ws';"],
  ['gateway/rooms/planted.ts', "import type { Connection } from '../connections/connection.ts';"],
  ['gateway/merging/planted.ts', "import { Room } from '../rooms/room.ts';"],
  ['core/bus/planted.ts', "import { a } from '../redis/bus.ts';"],
  ['operator/decide/planted.ts', "import { a } from '../reconcile/polls.ts';"],
  ['core/pool/planted.ts', "import { readFile } from 'node:fs/promises';"],
  ['core/pool/planted.ts', "import { randomUUID } from 'node:crypto'; randomUUID();"],
  ['gateway/merging/planted.ts', 'const now = new Date();'],
  ['gateway/merging/planted.ts', "import { pino } from 'pino';"],
  ['gateway/planted.ts', "import { Redis } from 'ioredis';"],
  ['gateway/planted.ts', "import { a } from './main.ts';"],
  ['client/planted.ts', "import { frame } from '../gateway/encoding/frame.ts';"],
  ['gateway/planted.ts', "const later = await import('../publisher/mesh.ts');"],
  ['gateway/planted.ts', "export { a } from '../test/support/frames.ts';"],
  ['gateway/merging/planted.ts', 'const now = Date.now();'],
  ['operator/decide/planted.ts', 'const chance = Math.random();'],
  ['operator/reconcile/planted.ts', "import { KubeConfig } from '@kubernetes/client-node';"],
  ['operator/planted.ts', "import { a } from '../gateway/room.ts';"],
  ['ops/planted.ts', "import { a } from '../gateway/gateway.ts';"],
  ['ops/page/planted.ts', "import { a } from '../../core/limits.ts';"],
  ['ops/page/planted.ts', "import { readFile } from 'node:fs/promises';"],
  ['ops/view/planted.ts', "import { z } from 'zod';"],
  ['ops/view/planted.ts', 'const now = Date.now();'],
  ['backend/planted.ts', "import { limits } from '../publisher/bounds.ts';"],
  ['gateway/planted.ts', "const port = process.env['PORT'];"],
  ['core/utils.ts', ''],
  ['core/planted.ts', '\n'.repeat(401)],
])('a planted breach is found: %s %s', (path, text) => {
  expect(breaches([readSource(path, text)]).length).toBeGreaterThan(0);
});
