import { expect, onTestFinished, test } from 'vitest';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisNames } from '../../core/redis/keys.ts';
import { slotOf } from '../../core/redis/slots.ts';
import { RedisCluster } from '../support/redis-cluster.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { askRedisAtOnce } from '../support/redis-command.ts';
import { expectOk } from '../support/redis-slots.ts';
import { expectOrderAroundPositions } from './load.ts';
import { AnsweringGateway, Listener, publication, question, until, untilUp } from './world.ts';

const names = new RedisNames('ended');

async function newCluster(replicas: 'one each' | 'none' = 'none'): Promise<RedisCluster> {
  const cluster = await RedisCluster.start({ masters: 3, replicas });
  onTestFinished(() => cluster.dispose());
  return cluster;
}

function newBus(cluster: RedisCluster): RedisBus {
  const bus = createRedisBus({ ...cluster.access, prefix: 'ended' });
  onTestFinished(() => bus.close());
  return bus;
}

/** A server ends the subscriptions of a slot, and has the slot afterwards as before. */
type Ending = (cluster: RedisCluster, slot: number) => Promise<void>;

async function ownerOf(cluster: RedisCluster, slot: number): Promise<RedisServer> {
  return (await cluster.ownerOf(slot))!;
}

const endings: readonly (readonly [how: string, end: Ending])[] = [
  [
    'its owner is told once more that it is the owner',
    async (cluster, slot) => {
      const owner = await ownerOf(cluster, slot);
      expectOk(await owner.command('CLUSTER', 'SETSLOT', `${slot}`, 'NODE', await cluster.idOf(owner)));
    },
  ],
  [
    'it is taken from its owner and given back',
    async (cluster, slot) => {
      const owner = await ownerOf(cluster, slot);
      const commands = ['DELSLOTS', 'ADDSLOTS'].map((word) => ['CLUSTER', word, `${slot}`]);
      expect(await askRedisAtOnce(owner, commands)).toBe('+OK +OK');
    },
  ],
  [
    'it goes to another master and comes back before anybody looks',
    async (cluster, slot) => {
      const owner = await ownerOf(cluster, slot);
      const [other] = cluster.masters.filter((master) => master !== owner);
      // Only an empty slot can be given away.
      const [, ...words] = (await owner.command('CLUSTER', 'GETKEYSINSLOT', `${slot}`, '100')).split(' ');
      const clearing = words.filter((word) => !word.startsWith('$')).map((key) => ['DEL', key]);
      const ids = [await cluster.idOf(other!), await cluster.idOf(owner)];
      const moves = ids.map((id) => ['CLUSTER', 'SETSLOT', `${slot}`, 'NODE', id]);
      expect(await askRedisAtOnce(owner, [...clearing, ...moves])).toMatch(/\+OK \+OK$/);
    },
  ],
];

test.each(endings)('a slot stays where it is, and its subscriptions end: %s', { timeout: 60_000 }, async (_how, end) => {
  const cluster = await newCluster();
  const [publisher, gateway] = [newBus(cluster), newBus(cluster)];
  const [listener, quiet] = [new Listener(), new Listener()];
  await gateway.log.subscribe('a', listener);
  await gateway.log.subscribe('other', quiet);
  await publisher.log.append('a', [publication('before')]);
  await until('heard', () => listener.texts.length === 1);
  for (const round of [1, 2, 3]) {
    const heard = listener.resubscribed.length;
    await end(cluster, slotOf(names.log('a')));
    await until('subscribed again', () => listener.resubscribed.length > heard);
    let offset = 0;
    await until('appended', async () => {
      return publisher.log.append('a', [publication(`after ${round}`)]).then(
        (place) => (offset = place.lastOffset) > 0,
        () => false,
      );
    });
    // The slot may still come and go: what is missed then is told by a position.
    await until('heard or told', () => listener.texts.at(-1) === `after ${round}` || listener.resubscribed.at(-1)!.offset >= offset);
  }
  await until('heard', async () => {
    await publisher.log.append('a', [publication('last')]);
    return listener.texts.at(-1) === 'last';
  });
  expectOrderAroundPositions(listener);
  expect(quiet.resubscribed).toEqual([]);
});

test.each(endings)('gateway calls, replies and reports go on after: %s', { timeout: 60_000 }, async (_how, end) => {
  const cluster = await newCluster();
  const [publisher, gateway] = [newBus(cluster), newBus(cluster)];
  const server = new AnsweringGateway('g');
  server.members.set('a', { ready: 1, full: 0 });
  const number = await gateway.calls.serve(server);
  const answered = async (): Promise<boolean> => {
    const [one, all] = await Promise.all([publisher.calls.call(number, question, 1000), publisher.calls.callAll(question, 1000)]);
    return one.kind === 'reply' && all.replies.length === 1;
  };
  await untilUp(publisher);
  await until('answered', answered);
  await until('counted', () => publisher.calls.memberCounts('a').ready === 1);
  const replies: string[] = [];
  for (const master of cluster.masters) {
    const answer = await master.command('PUBSUB', 'SHARDCHANNELS', 'ended:replies:*');
    replies.push(...answer.split(' ').filter((word) => word.startsWith('ended:')));
  }
  expect(replies.length).toBeGreaterThan(0);
  const slots = new Set([names.gateway(number), names.allGateways, names.reports, ...replies].map(slotOf));
  for (const slot of slots) await end(cluster, slot);
  server.members.set('a', { ready: 2, full: 0 });
  await until('answered again', answered);
  await until('counted again', () => publisher.calls.memberCounts('a').ready === 2);
});

test(
  'rooms come and go while their slots are set anew: in the end those that stay are heard, and no others',
  { timeout: 60_000 },
  async () => {
    const cluster = await newCluster();
    const [publisher, gateway] = [newBus(cluster), newBus(cluster)];
    const channels = Array.from({ length: 60 }, (_, index) => `room:${index}`);
    const listeners = new Map<string, Listener>();
    const owners = new Map<string, RedisServer>();
    for (const channel of channels) owners.set(channel, await ownerOf(cluster, slotOf(names.log(channel))));
    const ids = new Map<RedisServer, string>();
    for (const master of cluster.masters) ids.set(master, await cluster.idOf(master));
    const enter = (channel: string): void => {
      const listener = new Listener();
      listeners.set(channel, listener);
      // A slot that is set anew under way fails it: a gateway's next member makes it again.
      gateway.log.subscribe(channel, listener).catch(() => {
        if (listeners.get(channel) === listener) enter(channel);
      });
    };
    const leave = (channel: string): void => {
      listeners.delete(channel);
      gateway.log.unsubscribe(channel);
    };
    await untilUp(gateway);
    for (let round = 0; round < 30; round++) {
      for (const [index, channel] of channels.entries()) {
        if ((index + round) % 3 === 0) (listeners.has(channel) ? leave : enter)(channel);
      }
      await Promise.all(
        cluster.masters.map(async (master) => {
          const slots = channels.filter((channel) => owners.get(channel) === master).map((channel) => slotOf(names.log(channel)));
          const commands = slots.map((slot) => ['CLUSTER', 'SETSLOT', `${slot}`, 'NODE', ids.get(master)!]);
          await askRedisAtOnce(master, commands);
        }),
      );
    }
    const told = new Map(channels.map((channel) => [channel, 0]));
    await until('all that stay are in force', () => {
      const { inForce, waiting } = gateway.figures().subscriptions;
      return waiting === 0 && inForce === listeners.size;
    });
    for (const channel of channels) told.set(channel, (await publisher.log.append(channel, [publication('last')])).lastOffset);
    await until('each is heard or told', () =>
      [...listeners].every(
        ([channel, { texts, resubscribed }]) => texts.at(-1) === 'last' || (resubscribed.at(-1)?.offset ?? 0) >= told.get(channel)!,
      ),
    );
    const subscribed: string[] = [];
    for (const master of cluster.masters) {
      const answer = await master.command('PUBSUB', 'SHARDCHANNELS', 'ended:{room:*');
      subscribed.push(...answer.split(' ').filter((word) => word.startsWith('ended:')));
    }
    expect(subscribed.toSorted()).toEqual([...listeners.keys()].map((channel) => names.log(channel)).toSorted());
    expect(gateway.figures().subscriptionFaults.ended).toBeGreaterThan(100);
  },
);

test('a failover there and back: subscriptions, calls and reports follow both times', { timeout: 90_000 }, async () => {
  const cluster = await newCluster('one each');
  const [publisher, gateway] = [newBus(cluster), newBus(cluster)];
  const listener = new Listener();
  await gateway.log.subscribe('a', listener);
  const server = new AnsweringGateway('g');
  server.members.set('a', { ready: 1, full: 0 });
  const number = await gateway.calls.serve(server);
  const others = new Map(cluster.masters.map((master, index) => [master, cluster.replicas[index]!]));
  const roleOf = async (node: RedisServer): Promise<string> => /role:(\w+)/.exec(await node.command('INFO', 'replication'))![1]!;
  const promote = async (node: RedisServer): Promise<void> => {
    await until('it may take over', async () => (await node.command('CLUSTER', 'FAILOVER')).startsWith('+OK'), 20_000);
    await until('it has taken over', async () => (await roleOf(node)) === 'master', 20_000);
  };
  for (const [round, side] of ['there', 'back'].entries()) {
    for (const [master, replica] of others) await promote(side === 'there' ? replica : master);
    let offset = 0;
    await until('appended', async () => {
      return publisher.log.append('a', [publication(side)]).then(
        (place) => (offset = place.lastOffset) > 0,
        () => false,
      );
    });
    await until('heard or told', () => listener.texts.at(-1) === side || (listener.resubscribed.at(-1)?.offset ?? 0) >= offset, 20_000);
    server.members.set('a', { ready: round + 2, full: 0 });
    await until('counted', () => publisher.calls.memberCounts('a').ready === round + 2, 20_000);
    await until('called', async () => (await publisher.calls.call(number, question, 1000)).kind === 'reply', 20_000);
  }
  await until('heard', async () => {
    await publisher.log.append('a', [publication('last')]).catch(() => undefined);
    return listener.texts.at(-1) === 'last';
  });
  expectOrderAroundPositions(listener);
  await until('all is in force', () => gateway.figures().subscriptions.waiting === 0);
});
