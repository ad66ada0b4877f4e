import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { BusUnavailable, type ChannelLog, type ConnectionCall, type LogSubscriber } from '../../../core/bus/bus.ts';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import { limits } from '../../../core/limits.ts';
import { Policies, policyFileSchema, type ChannelPolicy } from '../../../core/policy/policy.ts';
import { answerCall } from '../../../gateway/commands/backend-calls.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { identify } from '../../../gateway/connections/standing.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import { FanOut } from '../../../gateway/rooms/fan-out.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import type { Member } from '../../../gateway/rooms/members.ts';
import type { JoinResult } from '../../../gateway/rooms/joining.ts';
import { Rooms } from '../../../gateway/rooms/rooms.ts';
import type { Position } from '../../../core/publication.ts';
import { CostedClock } from '../../support/costed-clock.ts';
import { recordedLog } from '../../support/recorded-log.ts';
import { publication } from '../../support/publications.ts';
import { gauges } from '../../simulation/gateway.ts';

function channelPolicies(subscribe: string, publicationsPerSecond = 500): readonly ChannelPolicy[] {
  const policy = { channel: 'video:*', access: { subscribe }, budget: { publicationsPerSecond } };
  return policyFileSchema.parse({ channels: [policy] }).channels;
}

function policiesOf(subscribe: string, publicationsPerSecond?: number): Policies {
  return new Policies(channelPolicies(subscribe, publicationsPerSecond));
}

/**
 * The product's rooms on a memory bus, with a clock of the test's own; `gate` holds up subscriptions, `isAway` refuses
 * them.
 */
class Gateway {
  readonly clock = new CostedClock();
  /** What a write to a client takes, in milliseconds. */
  writeMs = 0.1;
  /** What the end of a subscription takes, in milliseconds. */
  unsubscribeMs = 0;
  gate: Promise<void> = Promise.resolve();
  isAway = false;
  /** What the log says of a position from another gateway. */
  doubtful: Position | undefined;
  readonly warned = recordedLog('warn');
  readonly connections = new Map<number, Connection>();
  readonly #memory = createMemoryBus().log;
  readonly log: ChannelLog = {
    doubtfulPosition: () => this.doubtful,
    append: (channel, publications) => this.#memory.append(channel, publications),
    history: (channel, query) => this.#memory.history(channel, query),
    unsubscribe: (channel) => {
      this.clock.time += this.unsubscribeMs;
      this.#memory.unsubscribe(channel);
    },
    subscribe: async (channel: string, subscriber: LogSubscriber) => {
      await this.gate;
      if (this.isAway) throw new BusUnavailable('Redis is away');
      return this.#memory.subscribe(channel, subscriber);
    },
  };
  readonly registry = new Registry();
  readonly rooms = new Rooms({
    log: this.log,
    policies: policiesOf('Public'),
    surroundings: {
      fanOut: new FanOut({ clock: this.clock, onSlice: () => {} }),
      metrics: new GatewayMetrics(this.registry, gauges),
      clock: this.clock,
      done: new DoneFlushes(),
    },
    logger: this.warned.logger,
    share: 0.6,
  });

  connect(): { readonly connection: Connection; readonly said: string[] } {
    const said: string[] = [];
    const socket = {
      writableLength: 0,
      write: (bytes: Buffer) => {
        this.clock.time += this.writeMs;
        return said.push(bytes.subarray(bytes[1] === 126 ? 4 : 2).toString()) > 0;
      },
      once() {},
    };
    const wire = { socket: socket as unknown as Duplex, close() {}, terminate() {} };
    const id = this.connections.size + 1;
    const connection = new Connection({ id, encoding: v1Encoding, wire, now: this.clock.time, onClose() {} });
    this.connections.set(id, connection);
    return { connection, said };
  }

  call(client: Connection, call: ConnectionCall): Promise<unknown> {
    return answerCall({ method: 'call', client: client.id, call }, 1_000, {
      connections: this.connections,
      rooms: this.rooms,
      hand: () => 'ended',
    });
  }
}

test('a backend’s subscribe finds out that the client has become another user while the room was opened', async () => {
  const gateway = new Gateway();
  const { connection, said } = gateway.connect();
  const { promise, resolve } = Promise.withResolvers<void>();
  gateway.gate = promise;
  identify(connection, { uid: '1' }, gateway.rooms);
  const reply = gateway.call(connection, { kind: 'subscribe', channels: ['user:1'] });
  identify(connection, { uid: '2' }, gateway.rooms);
  resolve();
  expect(await reply).toMatchObject({ kind: 'failed', reason: expect.stringContaining("another user's channel") });
  expect([connection.members, said, gateway.rooms.size]).toEqual([[], [], 0]);
});

test('a joiner with a position that proves nothing here is given one that nobody has; other joiners get the true one', async () => {
  const gateway = new Gateway();
  const join = async (hasPosition: boolean): Promise<unknown> =>
    gateway.rooms.join(gateway.connect().connection, {
      channel: 'video:1',
      by: 'client',
      ...(hasPosition ? { since: { epoch: 'other', offset: 1 } } : {}),
    });
  await join(false);
  const position = gateway.rooms.find('video:1')?.position;
  gateway.doubtful = { epoch: 'nobodys', offset: 0 };
  expect(await join(true)).toMatchObject({ kind: 'joined', position: gateway.doubtful });
  expect(await join(false)).toMatchObject({ kind: 'joined', position });
  gateway.doubtful = undefined;
  expect(await join(true)).toMatchObject({ kind: 'joined', position });
});

test('a policy that admits fewer is applied to a large room some members at a time, and to all of them', async () => {
  const gateway = new Gateway();
  const clients = Array.from({ length: 1_001 }, () => gateway.connect());
  for (const [index, { connection }] of clients.entries()) {
    if (index % 2 === 0) identify(connection, { uid: `u${index}` }, gateway.rooms);
    await gateway.rooms.join(connection, { channel: 'video:1', by: 'client' });
  }
  gateway.clock.turn(() => gateway.rooms.setPolicies(policiesOf('Authenticated')));
  const atOnce = 1_001 - gateway.rooms.subscriptions;
  expect(atOnce).toBeGreaterThan(0);
  expect(atOnce).toBeLessThan(500);
  // One who leaves meanwhile, and another policy, are no trouble.
  const last = clients.at(-1)?.connection.members[0];
  if (last !== undefined) gateway.rooms.leave(last);
  await gateway.clock.advance(1_000);
  expect(gateway.rooms.subscriptions).toBe(500);
  expect(gateway.clock.longestTurnMs).toBeLessThanOrEqual(limits.turnMsMax);
  for (const [index, { connection, said }] of clients.slice(0, -1).entries()) {
    expect([index, connection.members.length]).toEqual([index, index % 2 === 0 ? 1 : 0]);
    expect(said.length).toBe(index % 2 === 0 ? 0 : 1);
    if (index % 2 === 1) expect(JSON.parse(said[0] ?? '')).toMatchObject({ type: 'unsubscribed', channel: 'video:1' });
  }
});

test('a policy that admits those again who wait to be looked at leaves them in', async () => {
  const gateway = new Gateway();
  for (let number = 0; number < 1_000; number++)
    await gateway.rooms.join(gateway.connect().connection, { channel: 'video:1', by: 'client' });
  gateway.rooms.setPolicies(policiesOf('Authenticated'));
  const left = gateway.rooms.subscriptions;
  expect(left).toBeGreaterThan(0);
  gateway.rooms.setPolicies(policiesOf('Public'));
  await gateway.clock.advance(1_000);
  expect(gateway.rooms.subscriptions).toBe(left);
});

/** Policies of which each look takes its time, in milliseconds. */
class SlowPolicies extends Policies {
  readonly #clock: CostedClock;
  readonly #lookMs: number;

  constructor(clock: CostedClock, lookMs: number, subscribe: string) {
    super(channelPolicies(subscribe));
    this.#clock = clock;
    this.#lookMs = lookMs;
  }

  override of(channel: string): ChannelPolicy {
    this.#clock.time += this.#lookMs;
    return super.of(channel);
  }
}

test('new policies reach thousands of rooms with no turn above the bound; newer ones that come meanwhile are in force in the end', async () => {
  const gateway = new Gateway();
  const connections = Array.from({ length: 30 }, () => gateway.connect().connection);
  for (const [index, connection] of connections.entries())
    for (let number = 0; number < 100; number++)
      await gateway.rooms.join(connection, { channel: `video:${index}-${number}`, by: 'client' });
  await gateway.clock.advance(0);
  const subscribeOf = (access: string): number =>
    connections.flatMap(({ members }) => members).filter(({ room }) => room.policy.access.subscribe === access).length;
  gateway.clock.turnsMs.length = 0;
  gateway.clock.turn(() => gateway.rooms.setPolicies(new SlowPolicies(gateway.clock, 0.05, 'Authenticated')));
  expect(subscribeOf('Authenticated')).toBeLessThan(3_000);
  gateway.clock.turn(() => gateway.rooms.setPolicies(new SlowPolicies(gateway.clock, 0.05, 'Public')));
  await gateway.clock.advance(1_000);
  expect(subscribeOf('Public')).toBe(3_000);
  expect(gateway.clock.longestTurnMs).toBeGreaterThan(5);
  expect(gateway.clock.longestTurnMs).toBeLessThanOrEqual(limits.turnMsMax);
});

test('a policy that gives more moves a large room some members at a time', async () => {
  const gateway = new Gateway();
  gateway.rooms.setPolicies(policiesOf('Public', 5));
  const members: Member[] = [];
  for (let number = 0; number < 2_000; number++) {
    const joined = await gateway.rooms.join(gateway.connect().connection, { channel: 'video:1', by: 'client', density: 20 });
    if (joined.kind === 'joined') members.push(joined.member);
  }
  const moved = (): number => members.filter(({ memberClass }) => memberClass.density === 'dense20').length;
  const before = moved();
  // Moving a member takes no write; a slow machine is one whose every look at the clock takes long.
  gateway.clock.monotonic = () => (gateway.clock.time += 2);
  gateway.rooms.setPolicies(policiesOf('Public', 50));
  expect(moved() - before).toBeGreaterThan(0);
  expect(moved() - before).toBeLessThan(1_000);
  await gateway.clock.advance(10_000);
  expect(moved()).toBe(2_000);
});

test('rooms are closed in slices, and all of them', async () => {
  const gateway = new Gateway();
  const connections = Array.from({ length: 20 }, () => gateway.connect().connection);
  for (const [index, connection] of connections.entries())
    for (let number = 0; number < 100; number++)
      await gateway.rooms.join(connection, { channel: `video:${index}-${number}`, by: 'client' });
  gateway.unsubscribeMs = 0.05;
  let closed: Promise<void> | undefined;
  gateway.clock.turn(() => (closed = gateway.rooms.close()));
  expect(gateway.rooms.size).toBeGreaterThan(0);
  await gateway.clock.advance(1_000);
  await closed;
  expect(gateway.rooms.size).toBe(0);
  expect(gateway.clock.longestTurnMs).toBeLessThanOrEqual(limits.turnMsMax);
});

test('the cadence is planned in slices, over the rooms in which something happened', async () => {
  const gateway = new Gateway();
  const channels = Array.from({ length: 300 }, (_, number) => `video:${number}`);
  for (const [index, channel] of channels.entries()) {
    const { connection } = index % 100 === 0 ? gateway.connect() : { connection: [...gateway.connections.values()].at(-1)! };
    await gateway.rooms.join(connection, { channel, by: 'client' });
  }
  const slices = async (): Promise<number> =>
    Number(/loop_slice_seconds_count\{loop="cadence"\} (\d+)/.exec(await gateway.registry.metrics())?.[1] ?? 0);
  await gateway.clock.advance(500);
  const whenQuiet = await slices();
  for (const channel of channels) await gateway.log.append(channel, [publication('x')]);
  gateway.clock.monotonic = () => (gateway.clock.time += 2);
  await gateway.clock.advance(5_000);
  expect(whenQuiet).toBeLessThanOrEqual(2);
  expect((await slices()) - whenQuiet).toBeGreaterThanOrEqual(4);
});

test('a client that subscribes to ever new names is refused at its rate, counted, and may still join a room that is open', async () => {
  const gateway = new Gateway();
  const { connection } = gateway.connect();
  const join = (channel: string): Promise<JoinResult> => gateway.rooms.join(connection, { channel, by: 'client' });
  for (let number = 0; number < limits.subscriptionsPerConnectionMax; number++) {
    const joined = await join(`video:${number}`);
    if (joined.kind === 'joined') gateway.rooms.leave(joined.member);
  }
  expect(await join('video:more')).toEqual({ kind: 'refused', reason: 'connection_rate' });
  expect(gateway.rooms.size).toBe(0);
  const { connection: other } = gateway.connect();
  expect(await gateway.rooms.join(other, { channel: 'video:more', by: 'client' })).toMatchObject({ kind: 'joined' });
  expect(await join('video:more')).toMatchObject({ kind: 'joined' });
  expect(await gateway.registry.metrics()).toContain('barrage_gateway_rooms_refused_total{reason="connection_rate"} 1');
});

test('a thousand subscribes that the bus does not take are one line a second, without a stack', async () => {
  const gateway = new Gateway();
  gateway.isAway = true;
  const { connection } = gateway.connect();
  const subscribe = async (): Promise<void> => {
    for (let number = 0; number < 1_000; number++)
      expect(await gateway.rooms.join(connection, { channel: `video:${number}`, by: 'backend' })).toEqual({
        kind: 'refused',
        reason: 'bus',
      });
  };
  await subscribe();
  await gateway.clock.advance(1_000);
  await subscribe();
  expect(gateway.warned.lines).toMatchObject([
    { event: 'room-unopened', reason: 'Redis is away', times: 1 },
    { event: 'room-unopened', reason: 'Redis is away', times: 1_000 },
  ]);
  expect(JSON.stringify(gateway.warned.lines)).not.toContain('    at ');
});
