import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { BusUnavailable } from '../../core/bus/bus.ts';
import { appendFailureOf, appendFailureReasons } from '../../core/redis/append-failures.ts';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisServer } from '../support/redis-server.ts';
import { recordedLog, type RecordedLine } from '../support/recorded-log.ts';
import { publication, until, untilUp } from './world.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.dispose();
});
beforeEach(async () => {
  await redis.command('FLUSHALL');
});

/** A bus, and what it warns of. */
function newBus(url: string): { readonly bus: RedisBus; readonly lines: readonly RecordedLine[] } {
  const { logger, lines } = recordedLog('warn');
  const bus = createRedisBus({ url, prefix: 'refused', logger });
  onTestFinished(() => bus.close());
  return { bus, lines };
}

test.each([
  ['OOM', /^OOM /, ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ['NOREPLICAS', /^NOREPLICAS /, ['CONFIG', 'SET', 'min-replicas-to-write', '1'], ['CONFIG', 'SET', 'min-replicas-to-write', '0']],
  ['WRONGTYPE', /^WRONGTYPE /, ['SET', 'refused:{a}:record', 'x'], ['DEL', 'refused:{a}:record']],
  ['NOPERM', /^NOPERM /, ['ACL', 'SETUSER', 'publisher', 'resetkeys'], ['ACL', 'SETUSER', 'publisher', '~*']],
] as const)('what Redis refuses with %s is counted by that word, and its words are logged', async (reason, words, breaking, mending) => {
  await redis.command('ACL', 'SETUSER', 'publisher', 'on', '>secret', '~*', '&*', '+@all');
  const { bus, lines } = newBus(redis.url.replace('//', '//publisher:secret@'));
  await bus.log.append('before', [publication('x')]);
  expect(await redis.command(...breaking)).toBe('+OK');
  const payload = 'not for the log';
  for (let count = 1; count <= 3; count++) await expect(bus.log.append('a', [publication(payload)])).rejects.toThrow(BusUnavailable);
  expect(Array.from(bus.figures().appendFailures)).toEqual([[reason, 3]]);
  expect(lines).toMatchObject([{ event: 'append-failed', level: 'warn', reason: expect.stringMatching(words), times: 1 }]);
  expect(JSON.stringify(lines)).not.toContain(payload);
  expect(bus.state()).toEqual({ up: true });
  await redis.command(...mending);
  expect(await bus.log.append('a', [publication('x')])).toMatchObject({ firstOffset: 1 });
});

test('while Redis is away publications that fail are counted, and the log says once a second at most that it is away', async () => {
  const { bus, lines } = newBus(redis.url);
  await untilUp(bus);
  await redis.stop('gone');
  onTestFinished(() => redis.start());
  await until('it is down', () => !bus.state().up);
  const before = bus.figures().appendFailures.get('unavailable') ?? 0;
  const failing = Array.from({ length: 50 }, () => bus.log.append('a', [publication('x')]));
  for (const one of await Promise.allSettled(failing)) expect(one.status).toBe('rejected');
  expect(bus.figures().appendFailures.get('unavailable')).toBe(before + 50);
  expect(lines.filter(({ event }) => event === 'append-failed')).toEqual([]);
});

test.each([
  ['OOM command not allowed when used memory > maxmemory.', 'OOM'],
  ['MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk.', 'MISCONF'],
  ['ERR something else', 'other'],
  ['NEWWORD of a later Redis', 'other'],
  ['Command timed out', 'late'],
  ['Connection is closed.', 'unavailable'],
  ['OOMPH', 'unavailable'],
])('the reason of "%s" is %s', (message, reason) => {
  expect(appendFailureOf(new Error(message))).toBe(reason);
});

test('docs/metrics.md lists the reasons', () => {
  const row = /barrage_bus_append_failures_total` .*\|([^|]*) \|$/m.exec(readFileSync('docs/metrics.md', 'utf8'))?.[1] ?? '';
  expect([...row.matchAll(/`(\w+)`/g)].map(([, reason]) => reason)).toEqual([...appendFailureReasons]);
});
