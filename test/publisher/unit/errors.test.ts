import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BusUnavailable, type BusTroubleDetails } from '../../../core/bus/bus.ts';
import { troubleOf } from '../../../core/redis/append-failures.ts';
import { answerBody, notPublished } from '../../../publisher/errors.ts';

const docs = readFileSync('docs/publish-api.md', 'utf8');

test.each<[BusTroubleDetails, string, 'no' | 'unknown', number]>([
  [{}, 'the bus cannot be reached', 'no', 1],
  [{ mayBeDone: true }, 'the bus cannot be reached', 'unknown', 1],
  [{ trouble: 'late', mayBeDone: true }, 'the bus did not answer in time', 'unknown', 1],
  [{ trouble: 'full' }, 'too many publications wait for the bus', 'no', 1],
  [{ trouble: 'memory', answer: 'OOM' }, 'the bus has no memory left (Redis: OOM)', 'no', 5],
  [
    { trouble: 'refused', mayBeDone: true, answer: 'NOPERM' },
    "the bus refuses it, and the publisher's log says why (Redis: NOPERM)",
    'unknown',
    5,
  ],
])('a publication that the bus did not confirm (%o) is told as: %s', (details, words, published, seconds) => {
  const refusal = notPublished(new BusUnavailable('not for backends: redis://10.0.0.1', details), false);
  expect(refusal).toMatchObject({ reason: 'unavailable', retryAfterSeconds: seconds, published });
  const rest =
    published === 'no'
      ? `It was not published; repeat it after ${seconds} s`
      : `It may have been published; repeat it after ${seconds} s if twice is better than not at all`;
  expect(answerBody(refusal)).toEqual({ E: { c: 503, m: `temporarily unavailable: ${words}. ${rest}`, published } });
  expect(docs).toContain(words.replace(/Redis: NOPERM/, 'Redis: WORD'));
});

test('a publication with a key may be repeated without a double', () => {
  const lost = notPublished(new BusUnavailable('x', { trouble: 'late', mayBeDone: true }), true);
  expect(lost.message).toMatch(/It may have been published; repeat it after 1 s with the same idempotency key$/);
  expect(notPublished(new BusUnavailable('x'), true).message).toMatch(/It was not published; repeat it after 1 s$/);
});

test.each([
  ['OOM command not allowed', { trouble: 'memory', mayBeDone: false, answer: 'OOM' }],
  ['MISCONF Redis is configured to save', { trouble: 'refused', mayBeDone: false, answer: 'MISCONF' }],
  ['NOREPLICAS Not enough good replicas', { trouble: 'refused', mayBeDone: false, answer: 'NOREPLICAS' }],
  ['READONLY You can not write', { trouble: 'away', mayBeDone: false, answer: 'READONLY' }],
  ['LOADING Redis is loading', { trouble: 'away', mayBeDone: false, answer: 'LOADING' }],
  ['CLUSTERDOWN Hash slot not served', { trouble: 'away', mayBeDone: false, answer: 'CLUSTERDOWN' }],
  ['MOVED 1 127.0.0.1:1', { trouble: 'away', mayBeDone: false, answer: 'MOVED' }],
  // The right to publish is asked for in the middle of the script.
  ['NOPERM User has no permissions', { trouble: 'refused', mayBeDone: true, answer: 'NOPERM' }],
  ['ERR something else', { trouble: 'refused', mayBeDone: true, answer: 'ERR' }],
  ['Command timed out', { trouble: 'late', mayBeDone: true }],
  ['Connection is closed.', { trouble: 'away', mayBeDone: true }],
  ['Reached the max retries per request limit (which is 0).', { trouble: 'away', mayBeDone: true }],
  ["Stream isn't writeable and enableOfflineQueue options is false", { trouble: 'away', mayBeDone: false }],
])('what "%s" says of a command', (message, expected) => {
  expect(troubleOf(new Error(message))).toEqual({ answer: undefined, ...expected });
});
