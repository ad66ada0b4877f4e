import { execFile, type ExecFileException } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { installedBackend } from '../support/backend-package.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { nodeProgram } from '../support/node-versions.ts';
import { TestProcess } from '../support/process.ts';
import { freePort } from '../support/free-port.ts';
import { RedisServer } from '../support/redis-server.ts';
import { policyFile, TestStandalone } from '../support/standalone.ts';
import { until, V1Client } from '../support/websocket.ts';

const apiKey = 'sixteen-characters-at-least';
const secret = 'a secret of thirty-two characters';
const installing = 300_000;

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(program: string, args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
  try {
    const cwd = await installedBackend();
    const ended = await promisify(execFile)(program, args, { cwd, env: { ...neutralEnvironment(), ...variables } });
    return { status: 0, ...ended };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as ExecFileException;
    return { status: Number(code), stdout: String(stdout), stderr: String(stderr) };
  }
}

async function nodes(): Promise<readonly string[]> {
  return [process.execPath, await nodeProgram(22), await nodeProgram(20)];
}

/** The snippets of a page that are programs. */
async function programsOf(page: string): Promise<readonly string[]> {
  return [...(await readFile(page, 'utf8')).matchAll(/^```js\n([^]*?)^```$/gm)].map(([, code = '']) => code);
}

test('the package is small, has its version from one place, and needs no other', { timeout: installing }, async () => {
  const folder = await installedBackend();
  const manifest = JSON.parse(await readFile(join(folder, 'node_modules/@barrage-live/backend/package.json'), 'utf8')) as object;
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { readonly version: string };
  expect(manifest).toMatchObject({ name: '@barrage-live/backend', version, type: 'module', engines: { node: '>=20' } });
  expect(manifest).not.toHaveProperty('dependencies');
  const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as { readonly packages: object };
  expect(Object.keys(packages)).toEqual(['', 'node_modules/@barrage-live/backend']);
});

test('its types are good without the libraries of browsers and of Node, by either way to find them', { timeout: installing }, async () => {
  const folder = await installedBackend();
  const used = `
    import { BarrageBackend, BarrageBackendError, type Delivered, type Published } from '@barrage-live/backend';
    import { TokenSigner } from '@barrage-live/backend/tokens';
    const barrage = new BarrageBackend({ url: 'http://localhost:6789' });
    export const one: Promise<Published> = barrage.publish('a', { any: ['object'] }, { priority: 'high' });
    export const two: Promise<Delivered> = barrage.publish('a', new Uint8Array(1), { wait: 'delivered' });
    export const codes = async () => (await barrage.broadcast(['a'], 'x')).map(({ error }) => (error instanceof BarrageBackendError ? error.code : 0));
    export const token: string = new TokenSigner({ secret: 'x' }).sign('alice');
    // @ts-expect-error a priority that there is not
    void barrage.publish('a', 'x', { priority: 'highest' });
    // @ts-expect-error a payload that is none
    void barrage.publish('a', 12);
  `;
  await writeFile(join(folder, 'used.ts'), used);
  const strict = {
    strict: true,
    noEmit: true,
    target: 'ES2022',
    lib: ['ES2022'],
    types: [],
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
  };
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const project = `tsconfig.${moduleResolution}.json`;
    await writeFile(
      join(folder, project),
      JSON.stringify({ compilerOptions: { ...strict, module, moduleResolution }, files: ['used.ts'] }),
    );
    const { stdout, status } = await run(process.execPath, [join(process.cwd(), 'node_modules/typescript/bin/tsc'), '-p', project]);
    expect([stdout, status]).toEqual(['', 0]);
  }
});

test('every program of its README and of docs/backend.md runs on Node 20, 22 and this one', { timeout: installing }, async () => {
  const policies = "channels: [{ channel: '*', history: { size: 100 } }]";
  const standalone = await TestStandalone.withPolicies(policies, { BARRAGE_API_KEYS: apiKey, BARRAGE_JWT_SECRET: secret });
  const programs = [...(await programsOf('docs/backend.md')), ...(await programsOf('backend/README.md'))];
  expect(programs.length).toBe(7);
  const folder = await installedBackend();
  const variables = { BARRAGE_API_KEY: apiKey, BARRAGE_JWT_SECRET: secret };
  for (const [index, program] of programs.entries()) {
    const isServer = program.includes('.listen(8080)');
    const port = await freePort();
    const code = program.replaceAll('localhost:6789', `127.0.0.1:${standalone.publisherPort}`).replace('listen(8080)', `listen(${port})`);
    // What serves is asked once, and then ends.
    const ask = `\nconst asked = await fetch('http://127.0.0.1:${port}/?text=hi');\nconsole.log(asked.status);\nprocess.exit();\n`;
    await writeFile(join(folder, `readme-${index}.mjs`), isServer ? code + ask : code);
  }
  for (const node of await nodes()) {
    // One after the other: some read what those before have published.
    const ended: Awaited<ReturnType<typeof run>>[] = [];
    for (const index of programs.keys()) ended.push(await run(node, [`readme-${index}.mjs`], variables));
    expect(ended.map(({ status, stderr }) => [status, stderr])).toEqual(programs.map(() => [0, '']));
    expect(ended.map(({ stdout }) => stdout).join('')).toMatch(
      /^204\n204\nat \S+ \d+, for 0 clients\nsent to 0, not to 0\n[^]*\nalice\n101 400 false undefined no 1 /,
    );
  }
});

/** Publishes numbers, eight at a time, and says which place each has. */
const numbers = `
import { BarrageBackend } from '@barrage-live/backend';
const [url, channel, count] = process.argv.slice(2);
const barrage = new BarrageBackend({ url });
const places = [];
let next = 0;
async function work() {
  while (next < Number(count)) {
    const number = next++;
    const { offset } = await barrage.publish(channel, String(number));
    places[number] = offset;
    if (number % 10 === 0) console.error(number);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
await Promise.all(Array.from({ length: 8 }, work));
console.log(JSON.stringify(places));
`;

test('a publisher is killed and replaced under three backends: nothing is lost, nothing comes twice', { timeout: installing }, async () => {
  const programs = await nodes();
  const folder = await installedBackend();
  await writeFile(join(folder, 'numbers.mjs'), numbers);
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  const port = await freePort();
  const variables = {
    BARRAGE_REDIS_URL: redis.url,
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: `${port}`,
    BARRAGE_POLICY_FILE: await policyFile("channels: [{ channel: '*', history: { size: 1000 } }]"),
  };
  const gateway = new TestProcess('gateway/main.ts', variables);
  const publisher = new TestProcess('publisher/main.ts', variables);
  const [gatewayPort] = await Promise.all([gateway.port(), publisher.port()]);
  const viewer = await V1Client.open(gatewayPort);
  onTestFinished(() => viewer.socket.terminate());
  const channels = programs.map((_, index) => `numbers:${index}`);
  for (const channel of channels) await viewer.subscribe(channel);

  const count = 400;
  const backends = programs.map((program, index) =>
    run(program, ['numbers.mjs', `http://127.0.0.1:${port}`, channels[index]!, `${count}`]),
  );
  await until(() => channels.every((channel) => viewer.items(channel).length > 20));
  await publisher.kill();
  // What ended before the kill would prove nothing.
  expect(channels.every((channel) => viewer.items(channel).length < count)).toBe(true);
  const next = new TestProcess('publisher/main.ts', variables);
  await next.port();

  const ended = await Promise.all(backends);
  expect(ended.map(({ status }) => status)).toEqual([0, 0, 0]);
  for (const [index, channel] of channels.entries()) {
    await expect.poll(() => viewer.reached(channel)).toBe(count);
    expect(viewer.gaps(channel)).toEqual([]);
    const items = viewer.items(channel);
    const places = JSON.parse(ended[index]?.stdout ?? '') as readonly number[];
    expect(items.map(({ data }) => Number(data)).toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: count }, (_, each) => each),
    );
    for (const { offset, data } of items) expect(places[Number(data)]).toBe(offset);
  }
});
