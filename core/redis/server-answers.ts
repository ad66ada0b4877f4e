import { limits } from '../limits.ts';

/** Expected kind of server: a node of a Cluster, or a server outside of any Cluster. */
export type ServerKind = 'single' | 'cluster';

const versionMin = 7;
const runIdLengthMax = 20;

/** Fault of a server outside of a Cluster when a Cluster's node is expected. */
export const noClusterNode = 'the server is no node of a Redis Cluster, but BARRAGE_REDIS_MODE is Cluster';

/**
 * The fault of a server that is not to be used, in words that say what to do; `undefined` for a usable server.
 * @param information the answer to INFO server. Redis says `redis_mode`, Valkey 8 and newer say `server_mode`.
 */
export function serverFault(information: string, kind: ServerKind): string | undefined {
  const version = field(information, 'redis_version');
  if (version === undefined) return lacks('redis_version', 'its version can not be told');
  if (!(Number.parseInt(version, 10) >= versionMin))
    return `Redis ${versionMin} or newer, or Valkey, is needed; this server is Redis ${version}`;
  if (runIdOf(information) === undefined) return lacks('run_id', 'a restart that lost publications can not be told');
  const mode = field(information, 'redis_mode') ?? field(information, 'server_mode');
  if (mode === undefined) return lacks('redis_mode and no server_mode', 'a Cluster can not be told from a single server');
  if (mode === 'sentinel') return 'the server is a Sentinel: set BARRAGE_REDIS_MODE to Sentinel';
  if (mode === 'cluster' && kind === 'single') return 'the server is a node of a Redis Cluster: set BARRAGE_REDIS_MODE to Cluster';
  if (mode !== 'cluster' && kind === 'cluster') return noClusterNode;
  return undefined;
}

/** A prefix of the server's run id, long enough to be unique. A restart changes it. */
export function runIdOf(information: string): string | undefined {
  return field(information, 'run_id')?.slice(0, runIdLengthMax);
}

/** The fault of a server that is no master with a replication id, in words; `undefined` for a usable server. */
export function replicationFault(replication: string): string | undefined {
  const role = field(replication, 'role');
  if (role === undefined) return lacks('role', 'a master can not be told from a replica');
  if (role !== 'master') return 'the server is a replica';
  if (mastershipOf(replication) === undefined) return lacks('master_replid', 'a failover that lost publications can not be told');
  return undefined;
}

/** The replication id of a master; `undefined` for a replica. A promotion changes it. */
export function mastershipOf(replication: string): string | undefined {
  return field(replication, 'role') === 'master' ? field(replication, 'master_replid') : undefined;
}

/** The fault that CLIENT INFO shows of a connection, in words; `undefined` for a usable connection. */
export function connectionFault(clientInfo: string): string | undefined {
  if (shardSubscriptionsOf(clientInfo) === undefined)
    return 'CLIENT INFO has no ssub, so no subscription can be proved: Redis 7.0.3 or newer, or Valkey, is needed';
  if (/ resp=2\b/.test(clientInfo)) return 'the server does not speak RESP3 (HELLO 3), which positions in the channel log need';
  return undefined;
}

/** The server's number of sharded subscriptions of this connection; `undefined` when the answer has none. */
export function shardSubscriptionsOf(clientInfo: string): number | undefined {
  const count = / ssub=(\d+)/.exec(clientInfo)?.[1];
  return count === undefined ? undefined : Number(count);
}

/**
 * The fault of the server's output buffer bound for subscribers, in words; `undefined` for a good bound.
 * @param value of `client-output-buffer-limit`: `class hard soft seconds` for each class, in bytes; 0 is no bound
 */
export function backlogFault(value: string): string | undefined {
  const [, text, hard, soft, seconds] = /(?:^| )(pubsub (\d+) (\d+) (\d+))/.exec(value) ?? [];
  if (text === undefined) return undefined;
  const least = limits.subscriberBacklogBytesMin;
  const isShort = Number(seconds) * 1000 < limits.subscriberStallMsMin;
  const cuts = isBelow(Number(hard), least) || (isBelow(Number(soft), least) && isShort);
  if (!cuts) return undefined;
  const stallSeconds = limits.subscriberStallMsMin / 1000;
  return (
    `client-output-buffer-limit is '${text}': Redis cuts off a gateway that stalls, and its clients miss publications. ` +
    `Set a hard limit of at least ${least} bytes, and a soft limit of as much or for at least ${stallSeconds} s`
  );
}

/** Whether a bound is in force and lower than `least`. */
function isBelow(bound: number, least: number): boolean {
  return bound > 0 && bound < least;
}

function field(information: string, name: string): string | undefined {
  const value = new RegExp(`^${name}:(\\S+)`, 'm').exec(information)?.[1];
  return value === '' ? undefined : value;
}

function lacks(name: string, consequence: string): string {
  return `the server's INFO has no ${name}, so ${consequence}: use a Redis or Valkey that answers INFO in full`;
}
