import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type BarrageAddress, type BarrageOptions, type BarrageState } from '../../client/barrage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { agreeable, ScriptedGateway, type Script } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 20_000 });

async function gatewayWith(script: Script = {}): Promise<ScriptedGateway> {
  const gateway = await ScriptedGateway.start(script);
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  return gateway;
}

/** Something that is at an address where nobody listens any more. */
async function goneUrl(): Promise<string> {
  const gateway = await ScriptedGateway.start();
  const { url } = gateway;
  await gateway[Symbol.asyncDispose]();
  return url;
}

/** A gateway that takes a handshake and drops it, and takes a question and is silent. */
async function silentGateway(): Promise<{ readonly url: string; readonly questions: () => number }> {
  let questions = 0;
  const silent = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (data) => {
      if (/upgrade: *websocket/i.test(data.toString())) socket.destroy();
      else questions++;
    });
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  return { url: `ws://127.0.0.1:${port}/`, questions: () => questions };
}

function client(address: BarrageAddress, options: BarrageOptions = {}) {
  const barrage = new Barrage(address, { random: () => 0, ...options });
  onTestFinished(() => barrage.close());
  const errors: string[] = [];
  const states: BarrageState[] = [barrage.state];
  barrage.on('error', ({ code, message }) => errors.push(`${code}: ${message}`));
  barrage.on('state', (state) => states.push(state));
  return { barrage, errors, states };
}

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 8000, interval: 2 });
}

/** Sockets are real and the clock is not: lets the sockets do what they do, and then time pass. */
async function passTime(clock: FakeClock, ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  await clock.advance(ms);
}

/** The same until something is so: what is due now and was set late is not missed. */
async function untilNow(clock: FakeClock, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 8000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it never came to that');
    await passTime(clock, 0);
  }
}

const backoff = { baseMs: 500, capMs: 20_000 };

test('several addresses are tried in turn, also those that an answer to a failed dial does not lead to', async () => {
  const full = await gatewayWith({
    isFull: () => true,
    directions: () => ({ urls: [full.url], backoff: { baseMs: 1, capMs: 2 }, epoch: 0 }),
  });
  const good = await gatewayWith();
  const { barrage, errors } = client([await goneUrl(), full.url, good.url]);
  await until(() => barrage.state === 'open');
  expect([full.refusals, good.connections.length]).toEqual([1, 1]);
  expect(errors).toHaveLength(2);
});

test('a page that the gateway refuses is told why after each failed dial, and tries on', async () => {
  const refused = 'pages of http://localhost:5173 may not connect: add that origin to BARRAGE_GATEWAY_ORIGINS';
  const gateway = await gatewayWith({
    isFull: () => gateway.refusals < 2,
    directions: () => ({ urls: [gateway.url], backoff: { baseMs: 1, capMs: 2 }, epoch: 0, refused }),
  });
  const { barrage, errors } = client(gateway.url, { transports: ['websocket'] });
  await until(() => barrage.state === 'open');
  expect(errors.filter((error) => error === `forbidden: ${refused}`)).toHaveLength(gateway.refusals);
});

test('a client that is closed because its page is refused does not dial again', async () => {
  const gateway = await gatewayWith({
    isFull: () => true,
    directions: () => ({ urls: [gateway.url], backoff: { baseMs: 1, capMs: 2 }, epoch: 0, refused: 'not this page' }),
  });
  const { barrage } = client(gateway.url);
  barrage.on('error', ({ code }) => {
    if (code === 'forbidden') barrage.close();
  });
  await until(() => barrage.state === 'closed');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(gateway.refusals).toBe(1);
});

test('a connection that was lost begins the turn anew, and goes on in turn where the first address fails', async () => {
  let isFull = false;
  const first = await gatewayWith({ isFull: () => isFull });
  const second = await gatewayWith();
  const { barrage } = client([first.url, second.url]);
  await until(() => barrage.state === 'open');
  first.last.socket.terminate();
  await until(() => first.connections.length === 2 && barrage.state === 'open');
  isFull = true;
  first.last.socket.terminate();
  await until(() => second.connections.length === 1 && barrage.state === 'open');
  second.last.socket.terminate();
  isFull = false;
  await until(() => first.connections.length === 3 && barrage.state === 'open');
});

test("a connect address is asked for the first channel's gateways, which are tried in their order", async () => {
  const gone = await goneUrl();
  const placed = await gatewayWith();
  const asked = await gatewayWith({ directions: () => ({ urls: [gone, placed.url], backoff, epoch: 3 }) });
  const { barrage, states } = client(`http://127.0.0.1:${asked.port}/`);
  barrage.subscribe('user:7');
  const subscription = barrage.subscribe('video:1 弹');
  await until(() => subscription.state === 'subscribed');
  // The second question is what a failed dial leads to.
  expect(asked.questions).toEqual(Array.from({ length: 2 }, () => '/v1/connect?channel=video%3A1+%E5%BC%B9'));
  expect([asked.connections.length, placed.connections.length]).toEqual([0, 1]);
  expect(states).toEqual(['connecting', 'waiting', 'connecting', 'open']);
});

test('a connect address that does not answer well is asked again, and the client says what was wrong', async () => {
  const answers: (object | undefined)[] = [undefined, { urls: [] }, { urls: ['https://a/'] }];
  const gateway = await gatewayWith({
    directions: () => (answers.length > 0 ? answers.shift() : { urls: [gateway.url], backoff, epoch: 0 }) as object,
  });
  const { barrage, errors } = client(`http://127.0.0.1:${gateway.port}/v1/connect`);
  await until(() => barrage.state === 'open');
  expect(errors).toHaveLength(3);
  expect(errors[0]).toContain('did not say where to connect: HTTP status 404');
  expect(errors[1]).toContain('it named no gateway that may be gone to');
});

test('when a dial fails the gateway itself is asked, and its answer says where to go and how long to wait', async () => {
  const other = await gatewayWith();
  const crowded = await gatewayWith({
    isFull: () => true,
    directions: () => ({ urls: [crowded.url, other.url], backoff: { baseMs: 8000, capMs: 20_000 }, epoch: 1 }),
  });
  const clock = new FakeClock();
  const { barrage } = client(crowded.url, { clock, random: () => 0.5 });
  await until(() => crowded.questions.length === 1);
  // Half of 8 s, not of the 500 ms that hold without the answer.
  await passTime(clock, 3_999);
  expect([barrage.state, other.connections.length]).toEqual(['waiting', 0]);
  await passTime(clock, 1);
  await untilNow(clock, () => barrage.state === 'open');
  expect([crowded.refusals, other.connections.length]).toEqual([1, 1]);
});

test('where the gateway that can not be reached does not answer either, another one that the client knows is asked', async () => {
  const other = await gatewayWith({
    directions: () => ({ urls: [other.url], backoff: { baseMs: 8000, capMs: 20_000 }, epoch: 1 }),
  });
  const clock = new FakeClock();
  const { barrage } = client([await goneUrl(), other.url], { clock, random: () => 0.5 });
  await until(() => other.questions.length === 1);
  await passTime(clock, 3_999);
  expect([barrage.state, other.connections.length]).toEqual(['waiting', 0]);
  await passTime(clock, 1);
  await untilNow(clock, () => barrage.state === 'open');
});

test('where the gateway that can not be reached is silent, another one is asked before the time for all is over', async () => {
  const clock = new FakeClock();
  const silent = await silentGateway();
  const third = await gatewayWith();
  const other = await gatewayWith({ directions: () => ({ urls: [third.url], backoff, epoch: 1 }) });
  const { barrage } = client([silent.url, other.url], { clock });
  await until(() => silent.questions() === 1);
  await passTime(clock, 2499);
  expect(other.questions).toEqual([]);
  await passTime(clock, 1);
  await until(() => other.questions.length === 1);
  // The silent one does not hold up what follows from the answer.
  await untilNow(clock, () => barrage.state === 'open');
  expect([third.connections.length, other.connections.length]).toEqual([1, 0]);
});

test('bounds that the gateway tells while connected are those of the next wait', async () => {
  const gateway = await gatewayWith({ hello: { backoff: { baseMs: 100, capMs: 200 } } });
  const clock = new FakeClock();
  const { barrage } = client(gateway.url, { clock, random: () => 0.5 });
  await until(() => barrage.state === 'open');
  gateway.last.send({ type: 'backoff', baseMs: 6000, capMs: 9000 });
  gateway.last.socket.terminate();
  await until(() => barrage.state === 'waiting');
  await passTime(clock, 2_999);
  expect(gateway.connections.length).toBe(1);
  await passTime(clock, 1);
  await untilNow(clock, () => gateway.connections.length === 2);
});

test('a gateway that is asked and never answers delays the next attempt by no more than five seconds', async () => {
  const silent = await silentGateway();
  const clock = new FakeClock();
  const { barrage } = client(silent.url, { clock });
  await until(() => silent.questions() === 1);
  await passTime(clock, 4_999);
  expect(barrage.state).toBe('waiting');
  await passTime(clock, 1);
  await untilNow(clock, () => silent.questions() === 2);
});

test.each<readonly [string, string, readonly string[]]>([
  ['an encrypted connect address', 'https://127.0.0.1:1/', []],
  ['a host that a WebSocket can not be opened to', 'ws://127.0.0.1:1/', []],
])('%s where nobody is: the client says so and goes on', async (_what, address) => {
  const { barrage, errors } = client(address);
  await until(() => errors.length >= 2);
  expect(barrage.state).not.toBe('closed');
});

test('an address that can not be one is refused when the client is made', () => {
  for (const [address, kind] of [
    ['nonsense', SyntaxError],
    ['ftp://a/', SyntaxError],
    [[], TypeError],
    [undefined, TypeError],
  ] as const)
    expect(() => new Barrage(address as string)).toThrow(kind);
});

test('a client that is closed while it asks, waits or dials begins nothing more', async () => {
  const gateway = await gatewayWith({ directions: () => ({ urls: [gateway.url], backoff, epoch: 0 }) });
  const clock = new FakeClock();
  const asking = client(`http://127.0.0.1:${gateway.port}/`, { clock });
  asking.barrage.close();
  const dialling = client(gateway.url, { clock });
  dialling.barrage.close();
  const waiting = client(await goneUrl(), { clock });
  await until(() => waiting.barrage.state === 'waiting');
  waiting.barrage.close();
  await passTime(clock, 60_000);
  await passTime(clock, 60_000);
  expect([asking, dialling, waiting].map(({ barrage }) => barrage.state)).toEqual(['closed', 'closed', 'closed']);
  expect(gateway.connections.length).toBe(0);
  expect(clock.pending).toBe(0);
});

/** Stands in for a page's `window`: Node has none. */
function page(): EventTarget {
  const target = new EventTarget();
  vi.stubGlobal('addEventListener', target.addEventListener.bind(target));
  vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target));
  onTestFinished(() => void vi.unstubAllGlobals());
  return target;
}

test.each(['online', 'pageshow'])(
  'at the event %s a client that waits comes back at once, though not at each of a flood',
  async (event) => {
    const target = page();
    let isFull = true;
    const gateway = await gatewayWith({
      isFull: () => isFull,
      directions: () => ({ urls: [gateway.url], backoff: { baseMs: 60_000, capMs: 60_000 }, epoch: 0, crowded: true }),
    });
    const clock = new FakeClock();
    const { barrage } = client(gateway.url, { clock, random: () => 0.999 });
    await until(() => gateway.questions.length === 1);
    await passTime(clock, 0);
    for (let count = 0; count < 20; count++) target.dispatchEvent(new Event(event));
    await until(() => gateway.refusals === 2 && gateway.questions.length === 2);
    await passTime(clock, 0);
    target.dispatchEvent(new Event(event));
    await passTime(clock, 900);
    expect(gateway.refusals).toBe(2);
    isFull = false;
    await passTime(clock, 99);
    target.dispatchEvent(new Event(event));
    expect(barrage.state).toBe('waiting');
    await passTime(clock, 1);
    target.dispatchEvent(new Event(event));
    await until(() => barrage.state === 'open');
  },
);

test('when the network comes back a connection that does not answer is given up within three seconds', async () => {
  const target = page();
  const gateway = await gatewayWith({
    answer: (command, connection) =>
      command.op === 'ping' && gateway.connections.length === 1 ? undefined : agreeable(command, connection),
  });
  const clock = new FakeClock();
  const { barrage, errors } = client(gateway.url, { clock });
  await until(() => barrage.state === 'open');
  target.dispatchEvent(new Event('online'));
  await until(() => gateway.last.ops().includes('ping'));
  await passTime(clock, 2_999);
  expect(errors).toEqual([]);
  await passTime(clock, 1);
  await untilNow(clock, () => gateway.connections.length === 2 && barrage.state === 'open');
  target.dispatchEvent(new Event('online'));
  await until(() => gateway.last.ops().includes('ping'));
  await passTime(clock, 10_000);
  expect([barrage.state, gateway.connections.length]).toEqual(['open', 2]);
});
