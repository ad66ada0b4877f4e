import { expect, test } from 'vitest';
import { apiError, networkError, readAnswer, type HttpAnswer } from '../../../backend/failures.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

function answer(more: Partial<HttpAnswer>): HttpAnswer {
  return { status: 200, retryAfter: null, contentType: 'application/json', text: '', ...more };
}

function errorOf(more: Partial<HttpAnswer>) {
  const read = readAnswer(answer(more), now);
  return 'error' in read ? read.error : undefined;
}

test('a success is its result', () => {
  expect(readAnswer(answer({ text: '{"E":null,"r":{"s":1}}' }), now)).toEqual({ result: { s: 1 } });
});

test.each([
  ['101', 400, undefined, { retry: false, published: 'no' }],
  ['501', 401, undefined, { retry: false, published: 'no' }],
  ['502', 429, undefined, { retry: true, published: 'no' }],
  ['503', 503, 'no', { retry: true, published: 'no' }],
  ['503', 503, 'unknown', { retry: true, published: 'unknown' }],
  // A send or a call: nothing is said of what became of it.
  ['503', 503, undefined, { retry: true, published: 'unknown' }],
  ['500', 500, undefined, { retry: true, published: 'unknown' }],
  ['507', 422, undefined, { retry: false, published: 'no' }],
])('the API’s %s by %i (published: %s)', (code, status, published, expected) => {
  const text = JSON.stringify({ E: { c: Number(code), m: 'the words', published } });
  expect(errorOf({ status, text })).toMatchObject({ code: Number(code), status, message: 'the words', ...expected });
});

test.each([
  ['2', 2_000],
  ['Thu, 01 Jan 2026 00:00:07 GMT', 7_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['soon', undefined],
  ['-1', 0],
])('Retry-After: %s', (retryAfter, ms) => {
  // A negative number is no count of seconds. V8 reads it as a date of the past.
  expect(errorOf({ status: 429, retryAfter, text: '{"E":{"c":502,"m":""}}' })?.retryAfterMs).toBe(ms);
});

test.each([
  [502, '<html>', { retry: true, published: 'unknown' }],
  [504, '', { retry: true, published: 'unknown' }],
  [429, 'slow down', { retry: true, published: 'no' }],
  [404, '<html>', { retry: false, published: 'no' }],
  [301, '', { retry: false, published: 'no' }],
  // A success of something else, or one that was cut: what it did is not known.
  [200, '<html>', { retry: false, published: 'unknown' }],
  [200, '{"E":null}', { retry: false, published: 'unknown' }],
  [200, 'null', { retry: false, published: 'unknown' }],
])('an answer of something else: %i %j', (status, text, expected) => {
  expect(errorOf({ status, text, contentType: 'text/html' })).toMatchObject({
    code: 'http',
    status,
    message: expect.stringContaining(`status ${status}, text/html`),
    ...expected,
  });
});

test.each([
  ['ECONNREFUSED', 'no'],
  ['ENOTFOUND', 'no'],
  ['UND_ERR_CONNECT_TIMEOUT', 'no'],
  ['ECONNRESET', 'unknown'],
  ['UND_ERR_SOCKET', 'unknown'],
  [undefined, 'unknown'],
])('a fetch that failed by %s: published %s', (code, published) => {
  const cause = Object.assign(new Error('connect it'), code === undefined ? {} : { code });
  const error = networkError(new TypeError('fetch failed', { cause }));
  expect(error).toMatchObject({ code: 'network', retry: true, published, message: expect.stringContaining('connect it') });
});

test('a name with several addresses of which none answers was never connected', () => {
  const refused = (port: number) => Object.assign(new Error(`connect ECONNREFUSED ::1:${port}`), { code: 'ECONNREFUSED' });
  const cause = new AggregateError([refused(1), refused(2)]);
  expect(networkError(new TypeError('fetch failed', { cause }))).toMatchObject({ published: 'no' });
});

test('a refusal of one publication of a batch is not repeated, but for those that pass', () => {
  expect(apiError({ c: 508, m: '' })).toMatchObject({ retry: false, published: 'no' });
  expect(apiError({ c: 502, m: '' })).toMatchObject({ retry: true, published: 'no' });
});
