import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { TokenSigner } from '../../backend/tokens.ts';
import { installedBackend } from '../support/backend-package.ts';
import { goProgram } from '../support/go-program.ts';
import { pythonProgram } from '../support/python.ts';
import { freePort } from '../support/free-port.ts';
import { TestStandalone } from '../support/standalone.ts';
import { Program } from './program.ts';

const apiKey = 'sixteen-characters-at-least';
const secret = 'a secret of thirty-two characters';

/** The command of a backend of `examples/`, and the folder in which it runs. */
interface Command {
  readonly cwd: string;
  readonly words: readonly string[];
}

/** The example where `npm install` has been: in a folder of its own, with the packed package. */
async function nodeBackend(): Promise<Command> {
  const cwd = await mkdtemp(join(tmpdir(), 'barrage-example-'));
  onTestFinished(() => rm(cwd, { recursive: true }));
  await cp('examples/backend-node', cwd, { recursive: true });
  await symlink(join(await installedBackend(), 'node_modules'), join(cwd, 'node_modules'));
  return { cwd, words: [process.execPath, 'server.js'] };
}

async function pythonBackend(port: number): Promise<Command> {
  const cwd = 'examples/backend-fastapi';
  const python = await pythonProgram(join(cwd, 'requirements.txt'));
  return { cwd, words: [python, '-B', '-m', 'uvicorn', 'main:app', '--port', `${port}`] };
}

async function goBackend(): Promise<Command> {
  return { cwd: 'examples/backend-go', words: [await goProgram('examples/backend-go')] };
}

test('the Node backend asks for the package of this version', async () => {
  const read = async (path: string) =>
    JSON.parse(await readFile(path, 'utf8')) as { readonly version: string; readonly dependencies: object };
  const { version } = await read('package.json');
  expect((await read('examples/backend-node/package.json')).dependencies).toEqual({ '@barrage-live/backend': `^${version}` });
});

test.each([
  ['Node', nodeBackend],
  ['FastAPI', pythonBackend],
  ['Go', goBackend],
])('the %s backend: tokens that gateways take, checked comments, and the auth webhook', { timeout: 400_000 }, async (_, commandOf) => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const policies = "channels: [{ channel: 'video:*', access: { subscribe: Authenticated } }]";
  const standalone = await TestStandalone.withPolicies(policies, { BARRAGE_API_KEYS: apiKey, BARRAGE_JWT_SECRET: secret });
  const { cwd, words } = await commandOf(port);
  const [program = '', ...args] = words;
  const publisher = `http://127.0.0.1:${standalone.publisherPort}`;
  const variables = { BARRAGE_URL: publisher, BARRAGE_API_KEY: apiKey, BARRAGE_JWT_SECRET: secret, PORT: `${port}` };
  const backend = new Program(program, args, { cwd, variables });
  await backend.serves(url);

  const ask = async (path: string, body?: object, token?: string) => {
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const response = await fetch(
      `${url}${path}`,
      body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) },
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const tokenOf = async (user: string): Promise<string> => String((await ask(`/token?user=${user}`)).body['token']);
  const alice = await tokenOf('alice');
  expect((await ask('/token?user=two%20words')).status).toBeGreaterThanOrEqual(400);

  const client = await standalone.v1();
  expect((await client.command('auth', { token: alice })).result).toMatchObject({ uid: 'alice', expiresInMs: expect.any(Number) });
  await client.subscribe('video:1');
  const comment = (text: unknown, token?: string, channel = 'video:1') => ask('/comments', { channel, text }, token);
  expect(await comment('Hello, 弹幕!', alice)).toEqual({ status: 201, body: { offset: 1 } });
  await expect
    .poll(() => client.items('video:1').map(({ data }) => JSON.parse(String(data))))
    .toEqual([{ user: 'alice', text: 'Hello, 弹幕!' }]);

  for (const text of ['Such SpamWord', 'ＳＰＡＭＷＯＲＤ', '脏话', ' ', '弹'.repeat(201)])
    expect((await comment(text, alice)).status, text).toBe(422);
  expect((await comment('弹'.repeat(200), alice)).status).toBe(201);
  const [head, claims] = alice.split('.');
  const others = ['wrong', `${head}.${claims}.`, new TokenSigner({ secret: secret.toUpperCase() }).sign('alice')];
  for (const token of [undefined, ...others]) expect((await comment('Hello', token)).status, token).toBe(401);
  for (const [text, channel] of [
    [12, 'video:1'],
    ['Hello', 'user:bob'],
  ] as const)
    expect([400, 422]).toContain((await comment(text, alice, channel)).status);

  // A burst of five, then one a second: of twelve at once some pass, and bob's are counted apart.
  const bob = await tokenOf('bob');
  const statuses = (await Promise.all(Array.from({ length: 12 }, () => comment('fast', bob)))).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([201, 429]));

  expect(await ask('/auth', { token: alice })).toEqual({ status: 200, body: { uid: 'alice' } });
  for (const token of others) expect((await ask('/auth', { token })).status).toBe(401);
  const asking = await TestStandalone.withPolicies(policies, { BARRAGE_AUTH_URL: `${url}/auth` });
  const known = await asking.v1();
  expect((await known.command('auth', { token: bob })).result).toMatchObject({ uid: 'bob' });
  expect((await known.command('auth', { token: 'wrong' })).error).toMatchObject({ code: 'not_authenticated', retry: false });
});
