import { expect, onTestFinished, test } from 'vitest';
import { TokenSigner } from '../../backend/tokens.ts';
import { scrape } from '../support/exposition.ts';
import { goProgram } from '../support/go-program.ts';
import { pythonProgram } from '../support/python.ts';
import { TestProcess } from '../support/process.ts';
import { freePort } from '../support/free-port.ts';
import { RedisServer } from '../support/redis-server.ts';
import { policyFile, TestStandalone } from '../support/standalone.ts';
import { Program } from './program.ts';

const installing = 300_000;
const apiKey = 'sixteen-characters-at-least';
const secret = 'a secret of thirty-two characters';

/** A client of `examples/`: the program, and the arguments before its own. */
interface ExampleClient {
  readonly name: string;
  readonly command: () => Promise<readonly string[]>;
}

const clients: readonly ExampleClient[] = [
  {
    name: 'Python',
    command: async () => [await pythonProgram('examples/python-client/requirements.txt'), 'examples/python-client/barrage.py'],
  },
  { name: 'Go', command: async () => [await goProgram('examples/go-client')] },
];

interface Publication {
  readonly offset: number;
  readonly data: unknown;
  readonly count: number;
}

function publications(program: Program): readonly Publication[] {
  return program.events().filter(({ type }) => type === 'Publication') as unknown as readonly Publication[];
}

function subscriptions(program: Program): readonly Readonly<Record<string, unknown>>[] {
  return program.events().filter(({ type }) => type === 'Subscribed');
}

test.each(clients)(
  '$name: both protocols, in order, over a gateway that is killed and one that takes its place',
  { timeout: installing },
  async ({ command }) => {
    const [program = '', ...first] = await command();
    const redis = await RedisServer.start();
    onTestFinished(() => redis.dispose());
    const port = await freePort();
    const variables = {
      BARRAGE_REDIS_URL: redis.url,
      BARRAGE_GATEWAY_PORT: `${port}`,
      BARRAGE_PUBLISHER_PORT: '0',
      // Pings are seen, and a client that comes back does not wait long.
      BARRAGE_PING_INTERVAL_MS: '1000',
      BARRAGE_BACKOFF_BASE_MS: '100',
      BARRAGE_POLICY_FILE: await policyFile("channels: [{ channel: '*', history: { size: 1000 } }]"),
    };
    const gateway = new TestProcess('gateway/main.ts', variables);
    const publisher = new TestProcess('publisher/main.ts', variables);
    const [publisherPort] = await Promise.all([publisher.port(), gateway.port()]);
    const subscriber = (...more: readonly string[]) => new Program(program, [...first, ...more, `ws://127.0.0.1:${port}/`, 'video:1']);
    const [v1, plain] = [subscriber(), subscriber('--plain')];
    for (const client of [v1, plain]) await expect.poll(() => subscriptions(client)).toHaveLength(1);

    let number = 0;
    const publish = async (more: object = {}): Promise<void> => {
      const body = JSON.stringify({ c: 'video:1', d: `弹幕 ${number++}`, ...more });
      const headers = { 'content-type': 'application/json' };
      expect((await fetch(`http://127.0.0.1:${publisherPort}/v1/mesh/publish`, { method: 'POST', headers, body })).status).toBe(200);
    };
    const texts = (from: number, to: number) => Array.from({ length: to - from }, (_, each) => `弹幕 ${from + each}`);
    for (let each = 0; each < 20; each++) await publish();
    for (const client of [v1, plain]) await expect.poll(() => publications(client).map(({ data }) => data)).toEqual(texts(0, 20));
    expect(publications(v1).map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, each) => each + 1));

    await gateway.kill();
    for (let each = 0; each < 5; each++) await publish();
    const next = new TestProcess('gateway/main.ts', variables);
    await next.port();
    for (const client of [v1, plain]) await expect.poll(() => subscriptions(client), { timeout: 60_000 }).toHaveLength(2);
    expect(subscriptions(v1)[1]).toMatchObject({ recovered: true });
    for (let each = 0; each < 5; each++) await publish();
    // barrage.v1 misses nothing. The plain protocol has no positions.
    await expect.poll(() => publications(v1).map(({ data }) => data)).toEqual(texts(0, 30));
    await expect.poll(() => publications(plain).map(({ data }) => data)).toEqual([...texts(0, 20), ...texts(25, 30)]);
    expect(v1.events().filter(({ type }) => type === 'Gap')).toEqual([]);

    // Two subscribed. What came besides are pings.
    const commands = async (): Promise<number> => {
      const { samples } = await scrape(port);
      return samples.filter(({ name }) => name === 'barrage_gateway_commands_total').reduce((sum, { value }) => sum + value, 0);
    };
    await expect.poll(commands).toBeGreaterThanOrEqual(4);
    await publish({ t: 'binary', d: 'AAH+/w==' });
    await publish({ d: 'likes', conflateKey: 'like', conflate: 'Sum', count: 12 });
    await expect.poll(() => publications(v1).length).toBe(32);
    const [bytes, likes] = publications(v1).slice(30);
    // Python prints bytes as a list, and Go as base64.
    expect([[0, 1, 254, 255], 'AAH+/w==']).toContainEqual(bytes?.data);
    expect(likes).toMatchObject({ data: 'likes', count: 12 });
    for (const client of [v1, plain]) expect(subscriptions(client)).toHaveLength(2);
  },
);

test.each(clients)('$name: who it is, what is refused, and publishing', { timeout: installing }, async ({ command }) => {
  const [program = '', ...first] = await command();
  const policies = "channels: [{ channel: 'video:*', access: { subscribe: Authenticated }, history: { size: 10 } }]";
  const standalone = await TestStandalone.withPolicies(policies, { BARRAGE_API_KEYS: apiKey, BARRAGE_JWT_SECRET: secret });
  const token = new TokenSigner({ secret }).sign('alice');
  const gatewayUrl = `ws://127.0.0.1:${standalone.port}/`;
  const publisherUrl = `http://127.0.0.1:${standalone.publisherPort}`;

  for (const [args, words] of [
    [[gatewayUrl, 'video:1'], /needs an identity/],
    [['--token', 'wrong', gatewayUrl, 'video:1'], /auth: /],
    [['--plain', gatewayUrl, 'video:1'], /Not Auth/],
    [['--plain', '--token', 'wrong', gatewayUrl, 'video:1'], /4501/],
    [[publisherUrl, 'video:1', 'no key'], /501/],
    [['--api-key', apiKey, publisherUrl, 'no spaces', 'x'], /400.*101/],
  ] as const) {
    const refused = new Program(program, [...first, ...args]);
    expect(await refused.ended(), args.join(' ')).not.toBe(0);
    expect(refused.stderr, args.join(' ')).toMatch(words);
  }

  const subscriber = new Program(program, [...first, '--token', token, gatewayUrl, 'video:1']);
  await expect.poll(() => subscriptions(subscriber)).toHaveLength(1);
  const publishing = new Program(program, [...first, '--api-key', apiKey, publisherUrl, 'video:1', 'Hello, 弹幕!']);
  expect([await publishing.ended(), publishing.stderr]).toEqual([0, '']);
  expect(publishing.events()).toMatchObject([{ offset: 1 }]);
  await expect.poll(() => publications(subscriber)).toMatchObject([{ offset: 1, data: 'Hello, 弹幕!' }]);
});
