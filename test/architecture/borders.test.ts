import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { breaches, pureFiles, pureFolders, reach } from './borders.ts';
import { readSource, readSources } from './imports.ts';

test('the borders between the folders hold', () => {
  expect(Object.keys(reach).flatMap((folder) => breaches(readSources(folder)))).toEqual([]);
});

test('the guard looks at something: every folder and every file that it names exists and has imports to look at', () => {
  for (const folder of Object.keys(reach)) {
    const sources = readSources(folder);
    expect(sources.length, folder).toBeGreaterThan(2);
    expect(sources.flatMap(({ imports }) => imports).length, folder).toBeGreaterThan(2);
  }
  expect([...pureFiles, ...pureFolders].filter((path) => !existsSync(path))).toEqual([]);
});

test.each([
  ['gateway/planted.ts', "import { a } from '../publisher/mesh.ts';"],
  ['core/planted.ts', "import { a } from '../gateway/room.ts';"],
  ['publisher/planted.ts', "import { WebSocket } from 'ws';"],
  ['gateway/planted.ts', "import { Redis } from 'ioredis';"],
  ['gateway/planted.ts', "import { a } from './main.ts';"],
  ['client/planted.ts', "import { frame } from '../gateway/encoding/frame.ts';"],
  ['gateway/planted.ts', "const later = await import('../publisher/mesh.ts');"],
  ['gateway/planted.ts', "export { a } from '../test/support/frames.ts';"],
  ['gateway/merging/planted.ts', 'const now = Date.now();'],
  ['operator/decide/planted.ts', 'const chance = Math.random();'],
  ['operator/reconcile/planted.ts', "import { KubeConfig } from '@kubernetes/client-node';"],
  ['operator/planted.ts', "import { a } from '../gateway/room.ts';"],
  ['gateway/planted.ts', "const port = process.env['PORT'];"],
  ['core/utils.ts', ''],
  ['core/planted.ts', '\n'.repeat(401)],
])('a planted breach is found: %s %s', (path, text) => {
  expect(breaches([readSource(path, text)])).toHaveLength(1);
});
