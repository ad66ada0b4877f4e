import type { SourceFile } from './imports.ts';

/** What a test starts with these is a server, a process, a socket or a browser. */
const startingPackages = new Set([
  'node:child_process',
  'node:cluster',
  'node:dgram',
  'node:http',
  'node:http2',
  'node:https',
  'node:net',
  'node:tls',
  'ioredis',
  'playwright-core',
  'ws',
]);
/**
 * In the product: what listens, connects or starts a process when it is used. The product's pure files name the same
 * packages for types and checks.
 */
const startingCall = /\b(?:createServer|spawn|spawnSync|execFile|fork)\(|\bnew (?:WebSocketServer|Redis|Cluster)\(/;

/**
 * What is wrong with the list of unit folders, in words; empty is good.
 * @param sources the tests, and the product that they import
 */
export function unitFaults(sources: readonly SourceFile[], folders: readonly string[]): readonly string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const tests = sources.filter(({ path }) => path.startsWith('test/') && path.endsWith('.test.ts'));
  const isIn = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);
  const empty = folders.filter((folder) => !tests.some(({ path }) => isIn(path, folder)));
  const misplaced = tests.flatMap(({ path }) => {
    const way = wayToStarter(path, byPath);
    const isUnit = folders.some((folder) => isIn(path, folder));
    if (isUnit && way !== undefined) return [`${path} lies in a unit folder and starts something: ${way}`];
    if (!isUnit && way === undefined) return [`${path} starts nothing: move it to a unit folder`];
    return [];
  });
  return [...empty.map((folder) => `${folder} is a unit folder without a test`), ...misplaced];
}

/** The files from a test to the first one that starts something; `undefined` where none does. */
function wayToStarter(test: string, byPath: ReadonlyMap<string, SourceFile>): string | undefined {
  const waiting = [{ path: test, way: test }];
  const seen = new Set([test]);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const source = byPath.get(next.path);
    if (source === undefined) continue;
    if (starts(source)) return next.way;
    for (const { target, kind, isTypeOnly } of source.imports) {
      if (kind !== 'file' || isTypeOnly || seen.has(target)) continue;
      seen.add(target);
      waiting.push({ path: target, way: `${next.way} > ${target}` });
    }
  }
  return undefined;
}

function starts({ path, imports, text }: SourceFile): boolean {
  if (!path.startsWith('test/')) return startingCall.test(text);
  return imports.some(({ target, kind, isTypeOnly }) => kind === 'package' && !isTypeOnly && startingPackages.has(target));
}
