import { expect, test } from 'vitest';
import { Backoff, defaultBackoff } from '../../../client/backoff.ts';
import { Liveness } from '../../../client/liveness.ts';

const nearlyOne = (): number => 0.999_999;

test('before the first hello the bounds are 500 ms and 20 s', () => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 9 }, () => Math.round(backoff.failed(0, nearlyOne)));
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
  expect(backoff.bounds).toBe(defaultBackoff);
});

test('a gateway that says hello and drops the connection is not hammered', () => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 5 }, (_, index) => {
    backoff.opened({ baseMs: 100, capMs: 20_000 }, index * 1000);
    return Math.round(backoff.failed(index * 1000 + 900, nearlyOne));
  });
  expect(waits).toEqual([100, 200, 400, 800, 1600]);
});

test('bounds that a gateway told since its hello take their place, and attempts are counted on', () => {
  const backoff = new Backoff();
  backoff.opened({ baseMs: 100, capMs: 20_000 }, 0);
  backoff.told({ baseMs: 5000, capMs: 8000 });
  expect(Math.round(backoff.failed(900, nearlyOne))).toBe(5000);
  expect(Math.round(backoff.failed(900, nearlyOne))).toBe(8000);
});

test('a connection that lasted begins anew', () => {
  const backoff = new Backoff();
  for (let index = 0; index < 5; index++) backoff.failed(0, nearlyOne);
  backoff.opened({ baseMs: 100, capMs: 20_000 }, 0);
  expect(Math.round(backoff.failed(10_000, nearlyOne))).toBe(100);
  expect(Math.round(backoff.failed(30_000, nearlyOne))).toBe(200);
});

test('a silent connection is pinged, and given up when the ping is not answered', () => {
  const liveness = new Liveness({ pingIntervalMs: 100, pongTimeoutMs: 30 }, 0);
  expect(liveness.step(0)).toEqual({ kind: 'wait', ms: 100 });
  expect(liveness.step(100)).toEqual({ kind: 'ping' });
  expect(liveness.step(100)).toEqual({ kind: 'wait', ms: 30 });
  expect(liveness.step(130)).toEqual({ kind: 'give-up' });
});

test('a client that only receives pings too, and a timer that fires an hour late gives nothing up', () => {
  const liveness = new Liveness({ pingIntervalMs: 100, pongTimeoutMs: 30 }, 0);
  liveness.received(90);
  expect(liveness.step(100)).toEqual({ kind: 'ping' });
  liveness.received(110);
  expect(liveness.step(3_600_000)).toEqual({ kind: 'ping' });
  liveness.received(3_600_001);
  expect(liveness.step(3_600_030)).toEqual({ kind: 'wait', ms: 70 });
});
