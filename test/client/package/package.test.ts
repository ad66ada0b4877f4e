import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { neutralEnvironment } from '../../support/environment.ts';
import { nodeProgram } from '../../support/node-versions.ts';
import { installPackedClient, linkPackage, type ClientFolder } from '../../support/packed-client.ts';
import { TestStandalone } from '../../support/standalone.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const run = promisify(execFile);
const compiler = join(import.meta.dirname, '../../../node_modules/.bin/tsc');
const policies = JSON.stringify({
  channels: [{ channel: '*', history: { size: 100, ttlSeconds: 600 }, access: { subscribe: 'Public', publish: 'Public' } }],
});
let folder: ClientFolder;

beforeAll(async () => {
  folder = await installPackedClient();
  await linkPackage(folder.path, 'ws');
});
afterAll(() => folder[Symbol.asyncDispose]());

test('the package has the client, its declarations, a readme and a licence, and nothing else', async () => {
  const names = folder.packed.map((name) => name.replace(/-\w{8,12}\.js$/, '-HASH.js')).toSorted();
  const files = [
    'LICENSE',
    'README.md',
    'barrage-extra-HASH.js',
    'barrage.js',
    'chunk-HASH.js',
    'extra-HASH.js',
    'index.d.ts',
    'index.js',
    'package.json',
  ];
  expect(names).toEqual(files.toSorted());
  const own = JSON.parse(await readFile(join(folder.path, 'node_modules/@barrage-live/client/package.json'), 'utf8')) as object;
  const root = JSON.parse(await readFile('package.json', 'utf8')) as { readonly version: string };
  expect(own).toMatchObject({ name: '@barrage-live/client', version: root.version, sideEffects: false, type: 'module' });
  expect(own).not.toHaveProperty('dependencies');
});

test.each([
  ['nodenext', 'nodenext'],
  ['bundler', 'esnext'],
])('programs type-check under moduleResolution %s, without types of Node', async (moduleResolution, module) => {
  const project = join(folder.path, moduleResolution);
  await mkdir(project);
  const program = `import { Barrage, BarrageError, type BarrageOptions, type Gap, type Subscription } from '@barrage-live/client';
const options: BarrageOptions = { token: async () => 'a', transports: ['sse'], webSocket: WebSocket };
const barrage: Barrage = new Barrage(['wss://a.example/', new URL('https://b.example/')], options);
const subscription: Subscription = barrage.subscribe('a', { delay: () => 5, getState: async ({ offset }) => offset });
subscription.on('gap', ({ from, reason }: Gap) => from?.offset.toFixed() ?? reason.length);
for await (const { data } of subscription) if (typeof data === 'string') data.trim();
const placed: { readonly offset: number; readonly epoch: string } = await barrage.publish('a', { any: 1 });
placed.offset.toFixed();
// @ts-expect-error there is no such event
barrage.on('mesage', () => {});
// @ts-expect-error the constructor of a subscription is not for applications
barrage.subscribe('b').moveTo();
if (new BarrageError('timeout', 'm', true).code === 'unsupported') barrage.close();
`;
  await writeFile(join(project, 'program.mts'), program);
  const compilerOptions = {
    module,
    moduleResolution,
    target: 'es2022',
    lib: ['es2022', 'dom'],
    types: [],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
  };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.mts'] }));
  const { stdout } = await run(compiler, ['-p', project], { env: neutralEnvironment() }).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});

/** Says what it received over each transport: a publication of its own, which pull can't make. */
const program = `
import { Barrage, BarrageError } from '@barrage-live/client';
import { WebSocket as Given } from 'ws';
const [url, prefix] = process.argv.slice(2);
const out = { own: typeof WebSocket, refused: '', received: {}, errors: [] };
if (out.own === 'undefined') {
  try { new Barrage(url); } catch (error) { out.refused = error.message; }
}
for (const transport of ['websocket', 'sse', 'pull']) {
  const barrage = new Barrage(url, { transports: [transport], ...(out.own === 'undefined' ? { webSocket: Given } : {}) });
  barrage.on('error', (error) => out.errors.push([error instanceof BarrageError, error.code, error.message]));
  const subscription = barrage.subscribe(prefix + transport, { delay: () => 1, getState: async () => 'state' });
  const received = [];
  const arrived = new Promise((resolve) => {
    subscription.on('snapshot', ({ state }) => received.push(state));
    subscription.on('publication', ({ data }) => { received.push(data); resolve(); });
  });
  await new Promise((resolve) => subscription.on('state', (state) => state === 'subscribed' && resolve()));
  if (transport === 'pull') {
    const other = new Barrage(url, { transports: ['sse'] });
    await new Promise((resolve) => other.on('state', (state) => state === 'open' && resolve()));
    await other.publish(prefix + 'pull', 'hello');
    other.close();
  } else await barrage.publish(prefix + transport, 'hello');
  await arrived;
  out.received[transport] = received;
  barrage.close();
}
console.log(JSON.stringify(out));
`;

test('programs run on Node 20 with a WebSocket class, and on 22 and 26 as they are, over every transport', async () => {
  const server = await TestStandalone.withPolicies(policies);
  await writeFile(join(folder.path, 'program.js'), program);
  for (const major of [20, 22, 26] as const) {
    const node = major === 26 ? process.execPath : await nodeProgram(major);
    const options = { cwd: folder.path, env: neutralEnvironment(), timeout: 60_000 };
    const { stdout } = await run(node, ['program.js', `ws://127.0.0.1:${server.port}/`, `node${major}:`], options);
    const { own, refused, received, errors } = JSON.parse(stdout) as Record<string, unknown>;
    expect([major, own, errors]).toEqual([major, major === 20 ? 'undefined' : 'function', []]);
    expect(refused).toEqual(major === 20 ? expect.stringContaining('give a class as the option webSocket') : '');
    expect(received).toEqual({ websocket: ['state', 'hello'], sse: ['state', 'hello'], pull: ['state', 'hello'] });
  }
});

test('a bundler leaves out what is not used, and keeps the second part apart', async () => {
  const bundle = async (contents: string): Promise<readonly { readonly path: string; readonly text: string }[]> => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folder.path },
      bundle: true,
      splitting: true,
      format: 'esm',
      minify: true,
      write: false,
      logLevel: 'silent',
      outdir: folder.path,
    });
    return outputFiles;
  };
  const [error] = await bundle("import { BarrageError } from '@barrage-live/client'; globalThis.error = BarrageError;");
  expect(error?.text.length).toBeLessThan(2_000);
  const unused = await bundle("import '@barrage-live/client';");
  expect(unused[0]?.text.trim()).toBe('');
  const files = await bundle("import { Barrage } from '@barrage-live/client'; globalThis.Barrage = Barrage;");
  expect(files.filter(({ text }) => text.includes('/v1/stream')).map(({ path }) => /\/extra-/.test(path))).toEqual([true]);
});
