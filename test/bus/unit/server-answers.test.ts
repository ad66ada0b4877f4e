import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import {
  backlogFault,
  connectionFault,
  mastershipOf,
  replicationFault,
  runIdOf,
  serverFault,
  shardSubscriptionsOf,
} from '../../../core/redis/server-answers.ts';

const runId = '766eebe8f6912e26369374add263c6574d480d0b';
const redis = { redis_version: '7.0.15', redis_mode: 'standalone', run_id: runId };
const valkey = { redis_version: '7.2.4', server_name: 'valkey', valkey_version: '8.1.8', server_mode: 'standalone', run_id: runId };

/** As INFO answers, without the fields that are `undefined`. */
function info(fields: Readonly<Record<string, string | undefined>>): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}:${value}`]));
  return `# Server\r\n${lines.join('\r\n')}\r\n`;
}

test('servers of the kind that is expected: Redis and Valkey, each with its own word for the mode', () => {
  expect(serverFault(info(redis), 'single')).toBeUndefined();
  expect(serverFault(info({ ...redis, redis_mode: 'cluster' }), 'cluster')).toBeUndefined();
  expect(serverFault(info(valkey), 'single')).toBeUndefined();
  expect(serverFault(info({ ...valkey, server_mode: 'cluster' }), 'cluster')).toBeUndefined();
  // As Valkey answers with extended-redis-compatibility.
  expect(serverFault(info({ ...valkey, redis_mode: 'cluster', server_mode: undefined }), 'cluster')).toBeUndefined();
  expect(runIdOf(info(valkey))).toBe(runId.slice(0, 20));
});

test.each([
  ['a node', { ...redis, redis_mode: 'cluster' }, 'single', 'set BARRAGE_REDIS_MODE to Cluster'],
  ["Valkey's node", { ...valkey, server_mode: 'cluster' }, 'single', 'set BARRAGE_REDIS_MODE to Cluster'],
  ['no node', redis, 'cluster', 'no node of a Redis Cluster'],
  ["Valkey's, no node", valkey, 'cluster', 'no node of a Redis Cluster'],
  ['a Sentinel', { ...redis, redis_mode: 'sentinel' }, 'single', 'set BARRAGE_REDIS_MODE to Sentinel'],
  ["Valkey's Sentinel", { ...valkey, server_mode: 'sentinel' }, 'single', 'set BARRAGE_REDIS_MODE to Sentinel'],
  ['too old', { ...redis, redis_version: '6.2.14' }, 'single', 'Redis 7 or newer, or Valkey, is needed; this server is Redis 6.2.14'],
  ['no version', { ...redis, redis_version: undefined }, 'single', 'INFO has no redis_version'],
  ['no run id', { ...redis, run_id: undefined }, 'single', 'INFO has no run_id'],
  ['no mode', { ...redis, redis_mode: undefined }, 'single', 'INFO has no redis_mode and no server_mode'],
  ['an empty mode', { ...redis, redis_mode: '' }, 'cluster', 'INFO has no redis_mode and no server_mode'],
] as const)('a server that can not be used is told in words: %s', (_what, fields, kind, words) => {
  expect(serverFault(info(fields), kind)).toContain(words);
});

test('a replica, and a master that lacks its replication id', () => {
  const master = { role: 'master', master_replid: 'd1bd973a' };
  expect(replicationFault(info(master))).toBeUndefined();
  expect(mastershipOf(info(master))).toBe('d1bd973a');
  expect(replicationFault(info({ ...master, role: 'slave' }))).toBe('the server is a replica');
  expect(mastershipOf(info({ ...master, role: 'slave' }))).toBeUndefined();
  expect(replicationFault(info({ role: 'master' }))).toContain('INFO has no master_replid');
  expect(replicationFault(info({}))).toContain('INFO has no role');
});

test('a connection says how many bus channels it is subscribed to, and that it speaks RESP3', () => {
  const line = 'id=3 addr=127.0.0.1:51956 sub=1 psub=0 ssub=12 multi=-1 cmd=client|info user=default redir=-1 resp=3';
  expect(shardSubscriptionsOf(line)).toBe(12);
  expect(connectionFault(line)).toBeUndefined();
  expect(connectionFault(line.replace('ssub=12 ', ''))).toContain('Redis 7.0.3 or newer');
  expect(connectionFault(line.replace('resp=3', 'resp=2'))).toContain('RESP3');
});

test.each([
  ['Redis as it comes', '33554432 8388608 60', false],
  ['no bounds', '0 0 0', false],
  ['hard at the bound', `${limits.subscriberBacklogBytesMin} 0 0`, false],
  ['hard below it', `${limits.subscriberBacklogBytesMin - 1} 0 0`, true],
  ['soft at the bound', `0 ${limits.subscriberBacklogBytesMin} 0`, false],
  ['soft below it, for long enough', `0 ${limits.subscriberBacklogBytesMin - 1} ${limits.subscriberStallMsMin / 1000}`, false],
  ['soft below it, for a second less', `0 ${limits.subscriberBacklogBytesMin - 1} ${limits.subscriberStallMsMin / 1000 - 1}`, true],
])('a bound on what waits for a gateway: %s', (_what, bound, isFault) => {
  const fault = backlogFault(`normal 0 0 0 slave 268435456 67108864 60 pubsub ${bound}`);
  if (isFault) expect(fault).toContain(`'pubsub ${bound}'`);
  else expect(fault).toBeUndefined();
});

test('what is no such setting is no fault', () => {
  expect(backlogFault('')).toBeUndefined();
  expect(backlogFault('normal 0 0 0')).toBeUndefined();
});
