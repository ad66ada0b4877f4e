import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { KeyedReply } from './keyed-batch.ts';
import { rememberedKeys } from './keys.ts';

const source = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/**
 * The scripts as commands of every connection. They are sent by hash, and as text when the server does not know the
 * hash.
 */
export const scripts = {
  barrageAppend: { lua: source('append.lua'), numberOfKeys: 1 },
  barrageAppendKept: { lua: source('append.lua'), numberOfKeys: 2 },
  barrageAppendKeyed: { lua: source('append.lua'), numberOfKeys: 2 + rememberedKeys },
  barrageHistory: { lua: source('history.lua'), numberOfKeys: 2 },
  barragePosition: { lua: source('position.lua'), numberOfKeys: 1 },
  barrageLease: { lua: source('lease.lua'), numberOfKeys: 1 },
  barrageRelease: { lua: source('release.lua'), numberOfKeys: 1 },
};

/** What `history.lua` answers. */
export type HistoryReply = readonly [
  epoch: Buffer,
  offset: number,
  before: Buffer,
  beforeOffset: number,
  envelopes: readonly Buffer[],
  users: readonly Buffer[],
  recalledAt: number,
  cleared: number,
  recalled: readonly Buffer[],
];

/** A Redis client with the scripts as methods. Each script's file explains its arguments. */
export type ScriptedRedis = Redis & {
  barrageAppend(recordKey: string, ...argv: (string | number | Buffer)[]): Promise<[epoch: string, offset: number]>;
  barrageAppendKept(recordKey: string, historyKey: string, ...argv: (string | number | Buffer)[]): Promise<[epoch: string, offset: number]>;
  barrageAppendKeyedBuffer(...keysAndArgv: (string | number | Buffer)[]): Promise<KeyedReply>;
  barrageHistoryBuffer(recordKey: string, historyKey: string, ...argv: (string | number)[]): Promise<HistoryReply>;
  barragePosition(recordKey: string, reign: string, epochBeginning: string): Promise<[epoch: string, offset: number]>;
  barrageLease(leaseKey: string, token: string, holdMs: number): Promise<0 | 1 | 2>;
  barrageRelease(leaseKey: string, token: string): Promise<1>;
};
