import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { RedisNames } from '../../../core/redis/keys.ts';
import { slotOf } from '../../../core/redis/slots.ts';
import { RedisCluster } from '../../support/redis-cluster.ts';
import { RedisSentinels } from '../../support/redis-sentinels.ts';
import { formVariable } from '../../suite.ts';
import { until } from '../../support/websocket.ts';
import { expectContract, recovered, recoveryMsMax, report, settled } from './contract.ts';
import { Pool, channels } from './pool.ts';

/** `npm run outage` takes the long form: slots move for a minute, and more is published. */
const isLong = process.env[formVariable] === 'long';
/** Of each publisher. */
const perSecond = isLong ? 100 : 50;
/** How often each channel's slot moves. */
const moves = isLong ? 60 : 2;
const timeout = isLong ? 600_000 : 120_000;

test('a failover loses the newest writes: what was lost is told, and nothing comes twice', { timeout }, async () => {
  const sentinels = await RedisSentinels.start({ sentinels: 1 });
  onTestFinished(() => sentinels.dispose());
  const { url, sentinelName = '' } = sentinels.access;
  const way = { BARRAGE_REDIS_MODE: 'Sentinel', BARRAGE_REDIS_URL: url, BARRAGE_REDIS_SENTINEL_NAME: sentinelName };
  const pool = await Pool.start({ gateways: [way, way], publishers: [way, way] });
  await pool.flow(perSecond);
  const [master, replica] = sentinels.servers;
  const offsetAt = async (server: typeof master): Promise<number> =>
    Number((await server.command('HGET', 'barrage:{live:1}:record', 'offset')).split(' ').at(-1));
  // Nothing reaches the replica any more: what is accepted from now on is lost with the master.
  await replica.command('REPLICAOF', '127.0.0.1', '1');
  await until(async () => (await offsetAt(master)) >= (await offsetAt(replica)) + 20, 20);
  const brokenAt = performance.now();
  await master.stop('gone');
  await until(async () => (await replica.command('ROLE')).includes('master'), 50);
  const backAt = performance.now();
  const recoveryMs = await recovered(pool, { backAt });
  await settled(pool);
  report(`failover in ${((backAt - brokenAt) / 1000).toFixed(1)} s that lost writes`, pool, recoveryMs);
  expectContract(pool, { brokenAt, backAt });
  expect(recoveryMs).toBeLessThan(recoveryMsMax);
  const places = pool.published.flatMap(({ channel, position }) =>
    position === undefined ? [] : [`${channel} ${JSON.stringify(position)}`],
  );
  expect(new Set(places).size, 'no place is given twice').toBe(places.length);
  expect(new Set(pool.published.map(({ position }) => position?.epoch)).size).toBeGreaterThan(channels.length);
});

test('slots of a Cluster move under load, there and back', { timeout }, async () => {
  const cluster = await RedisCluster.start({ masters: 2 });
  onTestFinished(() => cluster.dispose());
  const way = { BARRAGE_REDIS_MODE: 'Cluster', BARRAGE_REDIS_URL: cluster.access.url };
  const pool = await Pool.start({ gateways: [way, way], publishers: [way, way] });
  await pool.flow(perSecond);
  const names = new RedisNames('barrage');
  const brokenAt = performance.now();
  for (let turn = 0; turn < moves; turn++) {
    for (const channel of channels) {
      const slot = slotOf(names.record(channel));
      // Nodes that have just taken slots from each other may both say for a moment that the slot is the other's.
      await until(async () => (await cluster.ownerOf(slot)) !== undefined, 20);
      const owner = await cluster.ownerOf(slot);
      const other = cluster.masters.find((master) => master !== owner)!;
      await cluster.moveSlot(slot, other);
      await until(async () => (await cluster.ownerOf(slot)) === other, 20);
    }
    await pause(500);
  }
  const backAt = performance.now();
  const recoveryMs = await recovered(pool, { backAt });
  await settled(pool);
  report(`${moves * channels.length} slots moved`, pool, recoveryMs);
  expectContract(pool, { brokenAt, backAt });
  expect(recoveryMs).toBeLessThan(recoveryMsMax);
});
