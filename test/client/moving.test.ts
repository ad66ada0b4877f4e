import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage, type Gap, type Subscription } from '../../client/barrage.ts';
import { agreeable, ScriptedGateway, type Answer } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 20_000 });

function until(condition: () => unknown, timeout = 8000): Promise<unknown> {
  return vi.waitUntil(condition, { timeout, interval: 2 });
}

interface Scene {
  readonly old: ScriptedGateway;
  readonly fresh: ScriptedGateway;
  readonly barrage: Barrage;
  readonly subscription: Subscription;
  readonly offsets: number[];
  readonly gaps: Gap[];
}

/** A client that has read up to offset 2 on one gateway, and another gateway to go to. */
async function scene(answer: Answer, oldAnswer: Answer = agreeable): Promise<Scene> {
  const old = await ScriptedGateway.start({ answer: oldAnswer });
  const fresh = await ScriptedGateway.start({ answer });
  const barrage = new Barrage(old.url);
  onTestFinished(async () => {
    barrage.close();
    await Promise.all([old[Symbol.asyncDispose](), fresh[Symbol.asyncDispose]()]);
  });
  const subscription = barrage.subscribe('c');
  const offsets: number[] = [];
  const gaps: Gap[] = [];
  subscription.on('publication', ({ offset }) => offsets.push(offset));
  barrage.on('gap', (gap) => gaps.push(gap));
  await until(() => subscription.state === 'subscribed');
  old.last.batch(0, 2);
  await until(() => offsets.length === 2);
  return { old, fresh, barrage, subscription, offsets, gaps };
}

/** Subscribes at this offset. */
const joinsAt =
  (offset: number): Answer =>
  (command, connection) =>
    command.op === 'subscribe' ? { result: { epoch: 'e', offset, recovered: offset === 2 } } : agreeable(command, connection);

test('a move reads both connections until the old one has caught up: nothing is missed, nothing repeated', async () => {
  const { old, fresh, barrage, offsets, gaps } = await scene(joinsAt(5));
  let oldClosed = false;
  old.last.socket.on('close', () => (oldClosed = true));
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 5 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  expect(fresh.last.commands[0]).toMatchObject({ op: 'subscribe', since: { epoch: 'e', offset: 2 } });
  fresh.last.batch(5, 8);
  old.last.batch(2, 4);
  await until(() => offsets.length === 4);
  expect([barrage.state, oldClosed]).toEqual(['open', false]);
  old.last.batch(4, 6);
  await until(() => oldClosed);
  fresh.last.batch(8, 9);
  await until(() => offsets.length === 9);
  expect(offsets).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([barrage.state, gaps]).toEqual(['open', []]);
  expect(await barrage.counts('c')).toEqual({});
  expect(fresh.last.ops()).toEqual(['subscribe', 'counts']);
});

test('the old connection is left only when its replies have come', async () => {
  const held: (() => void)[] = [];
  const { old, fresh, barrage } = await scene(joinsAt(2), (command, connection) => {
    if (command.op !== 'publish') return agreeable(command, connection);
    held.push(() => connection.send({ type: 'reply', id: command.id, result: { epoch: 'e', offset: 3 } }));
    return undefined;
  });
  const publishing = barrage.publish('c', 'x');
  await until(() => held.length === 1);
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  // What is answered on the new connection shows that the client has switched.
  await until(async () => {
    const moved = barrage.counts('c');
    await moved;
    return fresh.last.ops().includes('counts');
  });
  expect(old.last.socket.readyState).toBe(1);
  held[0]?.();
  await expect(publishing).resolves.toEqual({ epoch: 'e', offset: 3 });
  await until(() => old.last.socket.readyState === 3);
});

test("the old connection's answer to a subscribe is no news once the new one has taken over", async () => {
  const held: (() => void)[] = [];
  const { old, fresh, barrage, gaps } = await scene(joinsAt(5), (command, connection) => {
    if (command.op !== 'subscribe' || command.channel !== 'd') return agreeable(command, connection);
    held.push(() => connection.send({ type: 'reply', id: command.id, result: { epoch: 'e', offset: 9 } }));
    return undefined;
  });
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  const added = barrage.subscribe('d');
  await until(() => held.length === 1 && added.state === 'subscribed');
  held[0]?.();
  old.last.batch(2, 5);
  await until(() => old.last.socket.readyState === 3);
  expect([added.position, gaps]).toEqual([{ epoch: 'e', offset: 5 }, []]);
});

test('where the old connection closes first, what it did not deliver is a gap', async () => {
  const { old, fresh, subscription, offsets, gaps } = await scene(joinsAt(5));
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  fresh.last.batch(5, 6);
  old.last.socket.close(1012);
  await until(() => offsets.includes(6));
  expect(offsets).toEqual([1, 2, 6]);
  expect(gaps).toMatchObject([{ from: { offset: 2 }, to: { offset: 5 } }]);
  expect(subscription.state).toBe('subscribed');
});

test('where the old connection takes longer than 5 s, the move ends with a gap', { timeout: 20_000 }, async () => {
  const { old, fresh, offsets, gaps } = await scene(joinsAt(5));
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => old.last.socket.readyState === 3, 15_000);
  fresh.last.batch(5, 6);
  await until(() => offsets.includes(6));
  expect(gaps).toEqual([{ channel: 'c', from: { epoch: 'e', offset: 2 }, to: { epoch: 'e', offset: 5 }, reason: 'missed' }]);
});

test('where the gateway of a hint takes nobody, the client moves to another of its own addresses', async () => {
  const { old, fresh } = await scene(joinsAt(2));
  const leaving = await ScriptedGateway.start({ answer: agreeable });
  const { url } = leaving;
  await leaving[Symbol.asyncDispose]();
  const barrage = new Barrage([old.url, fresh.url]);
  onTestFinished(() => barrage.close());
  const subscription = barrage.subscribe('c');
  const errors: string[] = [];
  barrage.on('error', ({ message }) => errors.push(message));
  await until(() => subscription.state === 'subscribed');
  const { last } = old;
  last.send({ type: 'reconnect', url, afterMs: 0 });
  await until(() => last.socket.readyState === 3);
  expect([barrage.state, fresh.connections.length, errors]).toEqual(['open', 1, []]);
});

test.each([
  [
    'refuses the subscribe',
    (): { readonly error: { code: 'unavailable'; message: string; retry: true } } => ({
      error: { code: 'unavailable', message: 'full', retry: true },
    }),
  ],
  [
    'drops the connection',
    (_command: unknown, connection: { socket: { terminate(): void } }): undefined => connection.socket.terminate() as undefined,
  ],
] as const)('a move to a gateway that %s keeps the old connection', async (_what, answer) => {
  const { old, fresh, barrage, offsets, gaps } = await scene(answer as Answer);
  const errors: string[] = [];
  barrage.on('error', ({ message }) => errors.push(message));
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => errors.length === 1);
  expect(errors[0]).toContain('the move to another gateway failed');
  old.last.batch(2, 4);
  await until(() => offsets.length === 4);
  expect([barrage.state, gaps, old.connections.length]).toEqual(['open', [], 1]);
  await until(() => fresh.last.socket.readyState === 3);
});

test('one move at a time: a second hint during a move is not followed', async () => {
  const { old, fresh, barrage } = await scene(joinsAt(5));
  const other = await ScriptedGateway.start();
  onTestFinished(() => other[Symbol.asyncDispose]());
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  old.last.send({ type: 'reconnect', url: other.url, afterMs: 0 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  old.last.batch(2, 5);
  await until(() => old.last.socket.readyState === 3);
  expect([barrage.state, other.connections.length]).toEqual(['open', 0]);
});

test('a hint of the new gateway that comes during the move is followed when the move is over', async () => {
  const third = await ScriptedGateway.start({ answer: joinsAt(5) });
  onTestFinished(() => third[Symbol.asyncDispose]());
  const { old, fresh, barrage, offsets, gaps } = await scene(joinsAt(5));
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  fresh.last.send({ type: 'reconnect', url: third.url, afterMs: 0 });
  await barrage.ping();
  expect(third.connections.length).toBe(0);
  old.last.batch(2, 5);
  await until(() => third.connections.length === 1 && third.last.ops().includes('subscribe'));
  third.last.batch(5, 7);
  await until(() => offsets.length === 7);
  expect([offsets, gaps, barrage.state]).toEqual([[1, 2, 3, 4, 5, 6, 7], [], 'open']);
  await until(() => old.last.socket.readyState === 3 && fresh.last.socket.readyState === 3);
});

test('where a move fails the newer hint of the old gateway is followed', async () => {
  const { old, fresh, barrage } = await scene(joinsAt(2));
  barrage.on('error', () => {});
  const nowhere = await ScriptedGateway.start();
  const { url } = nowhere;
  await nowhere[Symbol.asyncDispose]();
  old.last.send({ type: 'reconnect', url, afterMs: 0 });
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => old.last.socket.readyState === 3);
  expect([barrage.state, fresh.last.ops()]).toEqual(['open', ['subscribe']]);
});

test('a hint without an address leads back through the address that the client was made with', async () => {
  const gateways = await Promise.all([0, 1].map(() => ScriptedGateway.start({ answer: joinsAt(2) })));
  const [first, second] = gateways as [ScriptedGateway, ScriptedGateway];
  let best = first;
  const asked = await ScriptedGateway.start({ directions: () => ({ urls: [best.url], backoff: { baseMs: 1, capMs: 2 }, epoch: 1 }) });
  const barrage = new Barrage(`http://127.0.0.1:${asked.port}/`);
  onTestFinished(async () => {
    barrage.close();
    for (const gateway of [...gateways, asked]) await gateway[Symbol.asyncDispose]();
  });
  const subscription = barrage.subscribe('c');
  await until(() => subscription.state === 'subscribed');
  best = second;
  first.last.send({ type: 'reconnect', afterMs: 0 });
  await until(() => first.last.socket.readyState === 3);
  expect([barrage.state, second.last.ops(), asked.questions.length]).toEqual(['open', ['subscribe'], 2]);
});

test('a hint without an address leads to the next of several addresses where the first does not answer, and only then fails', async () => {
  const nowhere = await ScriptedGateway.start();
  const [dead, deadConnect] = [nowhere.url, `http://127.0.0.1:${nowhere.port}/`];
  await nowhere[Symbol.asyncDispose]();
  const alive = await ScriptedGateway.start({ answer: joinsAt(2) });
  onTestFinished(() => alive[Symbol.asyncDispose]());
  for (const addresses of [
    [dead, alive.url],
    [deadConnect, dead, alive.url],
  ]) {
    const barrage = new Barrage(addresses);
    onTestFinished(() => barrage.close());
    const errors: string[] = [];
    const subscription = barrage.subscribe('c');
    barrage.on('error', ({ message }) => errors.push(message));
    await until(() => subscription.state === 'subscribed');
    errors.length = 0;
    const old = alive.last;
    old.send({ type: 'reconnect', afterMs: 0 });
    await until(() => old.socket.readyState === 3);
    expect([barrage.state, alive.last === old, alive.last.ops(), errors]).toEqual(['open', false, ['subscribe'], []]);
  }
  const barrage = new Barrage([dead, alive.url]);
  onTestFinished(() => barrage.close());
  barrage.on('error', () => {});
  const subscription = barrage.subscribe('c');
  await until(() => subscription.state === 'subscribed');
  const { last } = alive;
  const failures: string[] = [];
  barrage.on('error', ({ message }) => failures.push(message));
  // It comes back by the address that it has, which may be a balancer's.
  last.send({ type: 'reconnect', url: dead, afterMs: 0 });
  await until(() => last.socket.readyState === 3);
  expect([failures, barrage.state, alive.last === last]).toEqual([[], 'open', false]);
});

interface AtDoor {
  readonly barrage: Barrage;
  readonly door: ScriptedGateway;
  /** The connection that it has at first, and on which it has read up to offset 2. */
  readonly first: ScriptedGateway['last'];
  readonly errors: string[];
  readonly offsets: number[];
  /** Dials after the first one. */
  readonly dials: () => number;
}

/** A client with one address, which refuses so many dials after the first one. */
async function behindDoor(refusals: number, backoff = { baseMs: 1, capMs: 20 }): Promise<AtDoor> {
  const door: ScriptedGateway = await ScriptedGateway.start({
    hello: { backoff },
    isFull: () => door.connections.length > 0 && door.refusals < refusals,
    answer: (command, connection) =>
      command.op === 'subscribe'
        ? { result: { epoch: 'e', offset: command.since?.offset ?? 0, recovered: true } }
        : agreeable(command, connection),
  });
  const barrage = new Barrage(door.url);
  onTestFinished(async () => {
    barrage.close();
    await door[Symbol.asyncDispose]();
  });
  const errors: string[] = [];
  const offsets: number[] = [];
  barrage.on('error', ({ message }) => errors.push(message));
  barrage.subscribe('c').on('publication', ({ offset }) => offsets.push(offset));
  await until(() => door.connections.length === 1 && door.last.ops().includes('subscribe'));
  const first = door.last;
  first.batch(0, 2);
  await until(() => offsets.length === 2);
  return { barrage, door, first, errors, offsets, dials: () => door.refusals + door.connections.length - 1 };
}

test('where the own address takes nobody for a while, it is tried again, and the old connection is kept meanwhile', async () => {
  const { barrage, door, errors, offsets, first, dials } = await behindDoor(3);
  first.send({ type: 'reconnect', afterMs: 0 });
  await until(() => dials() === 3);
  first.batch(2, 4);
  await until(() => first.socket.readyState === 3);
  expect([dials(), errors, offsets, barrage.state]).toEqual([4, [], [1, 2, 3, 4], 'open']);
  expect(door.connections).toHaveLength(2);
});

test('an own address that never takes the client again is tried six times in all; then the old connection stays', async () => {
  const { barrage, errors, first, dials, offsets } = await behindDoor(Infinity);
  first.send({ type: 'reconnect', afterMs: 0 });
  await until(() => errors.length === 1);
  expect(errors[0]).toContain('the move to another gateway failed');
  first.batch(2, 3);
  await until(() => offsets.length === 3);
  expect([dials(), barrage.state]).toEqual([6, 'open']);
});

test('a client that loses the old connection while it waits for its own address comes back as ever', async () => {
  const { errors, first, dials, offsets, door } = await behindDoor(1, { baseMs: 1_000, capMs: 1_000 });
  first.send({ type: 'reconnect', afterMs: 0 });
  await until(() => dials() === 1);
  first.socket.terminate();
  await until(() => door.connections.length === 2 && door.last.ops().includes('subscribe'));
  door.last.batch(2, 3);
  await until(() => offsets.length === 3);
  expect(errors.some((message) => message.includes('the move'))).toBe(false);
});

test('subscribing, changing density and unsubscribing during a move hold on the new connection', async () => {
  const { old, fresh, barrage, subscription } = await scene((command, connection) =>
    command.op === 'subscribe' && command.channel === 'd' ? { result: { epoch: 'd', offset: 0 } } : joinsAt(5)(command, connection),
  );
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  const added = barrage.subscribe('d');
  await subscription.setDensity(9);
  await until(() => added.state === 'subscribed' && fresh.last.commands.length === 3);
  await subscription.unsubscribe();
  await until(() => old.last.socket.readyState === 3);
  expect(fresh.last.ops().toSorted()).toEqual(['density', 'subscribe', 'subscribe', 'unsubscribe']);
  expect([added.state, subscription.state, barrage.state]).toEqual(['subscribed', 'unsubscribed', 'open']);
});

test('a hint from an encrypted connection to a plain one, or to no WebSocket URL, is not followed', async () => {
  const { old, barrage, offsets } = await scene(joinsAt(5));
  const errors: string[] = [];
  barrage.on('error', ({ message }) => errors.push(message));
  const { last } = old;
  last.send({ type: 'reconnect', url: 'ftp://nowhere/', afterMs: 0 });
  // It comes back by its own address instead.
  await until(() => last.socket.readyState === 3);
  old.last.batch(2, 3);
  await until(() => offsets.length === 3);
  expect([errors, old.connections.length]).toEqual([[], 2]);
});

test('a channel that a backend subscribes on the old connection during a move goes along', async () => {
  const { old, fresh, barrage, offsets } = await scene(joinsAt(5));
  const found: Subscription[] = [];
  barrage.on('subscription', (subscription) => found.push(subscription));
  old.last.send({ type: 'reconnect', url: fresh.url, afterMs: 0 });
  await until(() => fresh.connections.length === 1 && fresh.last.commands.length === 1);
  old.last.send({ type: 'subscribed', channel: 'd', epoch: 'e', offset: 7 });
  await until(() => fresh.last.commands.length === 2);
  expect(fresh.last.commands[1]).toMatchObject({ op: 'subscribe', channel: 'd', since: { epoch: 'e', offset: 7 } });
  old.last.batch(2, 5);
  await until(() => offsets.length === 5);
  expect(found.map(({ channel, state }) => [channel, state])).toEqual([['d', 'subscribed']]);
});
