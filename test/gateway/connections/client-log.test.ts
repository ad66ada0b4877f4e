import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { closeCodes } from '../../../core/close-codes.ts';
import { limits } from '../../../core/limits.ts';
import { openClientLog, type Handshake } from '../../../gateway/accounts/client-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordedLog } from '../../support/recorded-log.ts';

function newLog(level: string) {
  const clock = new FakeClock();
  const { logger, lines } = recordedLog(level);
  return { clock, lines, clients: openClientLog({ logger, registry: new Registry(), clock, trustedProxies: [] }) };
}

const handshake: Handshake = { socket: { remoteAddress: '192.0.2.1' }, headers: {} };
const end = { code: 1000, bytesIn: 1, bytesOut: 2 };
const client = { id: 7, uid: 'me' };
const none = (): readonly string[] => [];

/** Something that must not be looked at. */
function untouched<T extends object>(): T {
  return new Proxy({} as T, {
    get: (_target, name) => {
      throw new Error(`${String(name)} was looked at`);
    },
  });
}

test('at info nothing of a client is looked at, and nothing is written', () => {
  const { clients, lines } = newLog('info');
  const unread = (): never => {
    throw new Error('the channels were looked at');
  };
  clients.refused(untouched(), untouched());
  clients.unreadable('192.0.2.1', 'HPE_INVALID_METHOD');
  clients.crowdedOut('192.0.2.1');
  clients.opened({ id: 1, uid: undefined }, 'plain', untouched());
  clients.identified(untouched(), 'token');
  clients.identityEnded(untouched());
  clients.tokenRefused(untouched(), untouched());
  clients.subscribed(untouched(), 'video:1', 'client');
  clients.subscriptionRefused(untouched(), 'video:1', untouched());
  clients.unsubscribed(untouched(), 'video:1');
  clients.limited(untouched(), 'slow mode');
  clients.moveTold(untouched(), 'ws://a', 1);
  clients.closing({ id: 1, uid: undefined }, closeCodes.idle, unread);
  clients.ended(untouched(), untouched(), unread);
  expect([clients.isOn, lines]).toEqual([false, []]);
});

test('a client that was told to move, and left, did as it was told; the last line names ten of its channels', () => {
  const { clients, lines, clock } = newLog('debug');
  clients.opened({ id: 7, uid: undefined }, 'barrage.v1', handshake);
  clients.identified(client, 'backend');
  clients.moveTold(client, 'ws://other.example/?token=a', 100);
  clock.time += 1_234;
  clients.ended({ id: 7, uid: undefined }, end, () => Array.from({ length: 12 }, (_, index) => `video:${index}`));
  expect(lines.find(({ event }) => event === 'move-told')).toMatchObject({ connection: 7, user: 'me', url: 'ws://other.example/?…' });
  expect(lines.at(-1)).toMatchObject({
    event: 'connection-closed',
    user: 'me',
    by: 'client',
    code: 1000,
    reason: 'the client left after it was told to move',
    subscriptions: 12,
    durationMs: 1_234,
  });
  expect(lines.at(-1)?.['channels']).toHaveLength(10);
});

test('the first end of a connection counts: a client that answers the close frame did not leave by itself', () => {
  const { clients, lines } = newLog('debug');
  clients.opened(client, 'plain', handshake);
  clients.closing(client, closeCodes.idle, () => ['video:1']);
  clients.closing(client, closeCodes.goingAway, none);
  clients.ended(client, { ...end, code: 1006 }, none);
  clients.ended(client, end, none);
  expect(lines.filter(({ event }) => event === 'connection-closed')).toMatchObject([
    { by: 'gateway', code: closeCodes.idle.code, reason: closeCodes.idle.reason, channels: ['video:1'] },
  ]);
});

test('the ends of all connections of a gateway at once are told, each; a client at its rate has one line a second', () => {
  const { clients, lines, clock } = newLog('debug');
  const count = limits.clientLinesBurst;
  for (let id = 0; id < count; id++) clients.opened({ id, uid: undefined }, 'plain', handshake);
  for (let id = 0; id < count; id++) clients.ended({ id, uid: undefined }, { ...end, code: 1006 }, none);
  expect(lines.filter(({ event, by }) => event === 'connection-closed' && by === 'network')).toHaveLength(count);
  clock.time += 60_000;
  clients.opened(client, 'plain', handshake);
  for (let times = 0; times < 100; times++) clients.limited(client, 'slow mode', 'video:1');
  clock.time += 1_000;
  clients.limited(client, 'slow mode', 'video:1');
  expect(lines.filter(({ event }) => event === 'rate-limited')).toMatchObject([
    { connection: 7, user: 'me', channel: 'video:1', reason: 'slow mode', times: 1 },
    { times: 100 },
  ]);
});

test('a stranger’s words in a header are cut', () => {
  const { clients, lines } = newLog('debug');
  const headers = { origin: `https://${'x'.repeat(10_000)}.example`, host: 'y'.repeat(10_000) };
  clients.refused({ ...handshake, headers }, { reason: 'origin', status: 403 });
  expect(JSON.stringify(lines).length).toBeLessThan(1_000);
});
