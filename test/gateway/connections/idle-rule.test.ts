import { expect, test } from 'vitest';
import { IdleRule } from '../../../gateway/connections/idle-rule.ts';

const times = { pingIntervalMs: 800, idleTimeoutMs: 2000, turnMs: 100 };

/** Turns from 0 to `at`, each on time. */
function awakeUntil(at: number): IdleRule {
  const rule = new IdleRule(times, 0);
  for (let turn = times.turnMs; turn <= at; turn += times.turnMs) rule.turn(turn);
  return rule;
}

test('who is silent is asked after half a ping interval, and closed at the idle time', () => {
  const rule = awakeUntil(5000);
  expect(rule.judge(5000 - 399, 5000)).toBe('leave');
  expect(rule.judge(5000 - 400, 5000)).toBe('ping');
  expect(rule.judge(5000 - 1999, 5000)).toBe('ping');
  expect(rule.judge(5000 - 2000, 5000)).toBe('close');
});

test('after a pause of the gateway itself everybody is asked once more before anybody is closed', () => {
  const rule = awakeUntil(5000);
  rule.turn(8000);
  expect(rule.judge(4900, 8000)).toBe('ping');
  for (let at = 8100; at < 8900; at += 100) {
    rule.turn(at);
    expect([at, rule.judge(4900, at)]).toEqual([at, 'ping']);
  }
  rule.turn(8900);
  expect(rule.judge(4900, 8900)).toBe('close');
  expect(rule.judge(8100, 8900)).toBe('ping');
});

test('a turn that is late by less than one other is no pause', () => {
  const rule = awakeUntil(5000);
  rule.turn(5200);
  expect(rule.judge(3200, 5200)).toBe('close');
  rule.turn(5401);
  expect(rule.judge(3200, 5401)).toBe('ping');
});
