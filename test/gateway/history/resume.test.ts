import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { WirePosition } from '../../../core/protocol/barrage-v1.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until, V1Client, type Item } from '../../support/websocket.ts';

const channel = 'video:1';

function withHistory(history: string, more = ''): Promise<TestStandalone> {
  return TestStandalone.withPolicies(`channels: [{ channel: 'video:*', history: ${history}${more} }]`, {
    BARRAGE_GATEWAY_ACCEPTS_PER_SECOND: '10000',
  });
}

function texts(items: readonly Item[]): readonly string[] {
  return items.map(({ data }) => data.toString());
}

/** A client that was there, has gone, and missed these. */
async function missing(server: TestStandalone, missed: readonly string[]): Promise<WirePosition> {
  const client = await server.v1();
  await client.subscribe(channel);
  const { offset, epoch } = await server.publish(channel, 'seen');
  await until(() => client.reached(channel) === offset);
  await client.leave();
  for (const text of missed) await server.publish(channel, text);
  return { epoch, offset };
}

test('a client that comes back is given exactly what it missed, before all later ones, also where nobody else was there', async () => {
  const server = await withHistory('{ size: 50 }');
  const since = await missing(server, ['a', 'b', 'c']);
  const client = await server.v1();
  expect(await client.subscribe(channel, { since })).toEqual({ ...since, recovered: true });
  const { offset } = await server.publish(channel, 'live');
  await until(() => client.reached(channel) === offset);
  expect(texts(client.items(channel))).toEqual(['a', 'b', 'c', 'live']);
  expect(client.of(channel)[0]).toMatchObject({ after: since.offset, upto: since.offset + 3, leftOut: 0 });
  expect(await server.metric('barrage_gateway_resumes_total', 'result="recovered"')).toBe(1);

  // The reader has them now: no read is needed any more, and who has missed nothing is given nothing.
  const [again, current] = [await server.v1(), await server.v1()];
  expect(await again.subscribe(channel, { since })).toEqual({ ...since, recovered: true });
  expect(await current.subscribe(channel, { since: { ...since, offset } })).toEqual({ epoch: since.epoch, offset, recovered: true });
  await until(() => again.reached(channel) === offset);
  expect(texts(again.items(channel))).toEqual(['a', 'b', 'c', 'live']);
  expect(current.batches).toEqual([]);
  expect(await server.metric('barrage_gateway_resume_reads_total')).toBe(1);
});

test('what a client missed is not sampled for its density or budget, and sums are true', async () => {
  const server = await withHistory('{ size: 200 }', ', budget: { publicationsPerSecond: 5 }');
  const since = await missing(server, []);
  for (let index = 0; index < 40; index++) await server.publish(channel, `${index}`, { conflateKey: 'like', conflate: 'Sum', count: 2 });
  const client = await server.v1();
  expect(await client.subscribe(channel, { since, density: 5 })).toMatchObject({ ...since, recovered: true });
  await until(() => client.reached(channel) === since.offset + 40);
  expect(client.items(channel).map(({ count }) => count)).toEqual(Array.from({ length: 40 }, () => 2));
});

test('as many as the policy gives are given, and of one more none', async () => {
  const server = await withHistory('{ size: 50, resumePublicationsMax: 4 }');
  const since = await missing(server, ['1', '2', '3', '4']);
  const [four, five] = [await server.v1(), await server.v1()];
  expect(await four.subscribe(channel, { since })).toEqual({ ...since, recovered: true });
  await until(() => four.reached(channel) === since.offset + 4);
  const { offset } = await server.publish(channel, '5');
  await until(() => four.reached(channel) === offset);
  expect(await five.subscribe(channel, { since })).toEqual({ epoch: since.epoch, offset, recovered: false });
  expect((await five.command('ping')).error).toBeUndefined();
  expect(five.batches).toEqual([]);
  expect(await server.metric('barrage_gateway_resumes_total', 'result="lost"')).toBe(1);
});

test.each([
  ['a channel without a history', '', undefined],
  ['a position of another order', ', history: {}', { epoch: 'other', offset: 1 }],
])('%s: a gap, as ever', async (_what, history, other) => {
  const server = await TestStandalone.withPolicies(`channels: [{ channel: 'video:*'${history} }]`);
  const since = other ?? (await missing(server, ['a']));
  const client = await server.v1();
  expect(await client.subscribe(channel, { since })).toMatchObject({ recovered: false });
});

test('a thousand clients that come back cost one read, and are all given the same bytes', { timeout: 60_000 }, async () => {
  const server = await withHistory('{ size: 300 }');
  const since = await missing(
    server,
    Array.from({ length: 50 }, (_, index) => `${index}`),
  );
  const clients: V1Client[] = [];
  for (let round = 0; round < 10; round++) clients.push(...(await Promise.all(Array.from({ length: 100 }, () => server.v1()))));
  const replies = await Promise.all(clients.map((client) => client.subscribe(channel, { since })));
  expect(new Set(replies.map(({ recovered }) => recovered))).toEqual(new Set([true]));
  const { offset } = await server.publish(channel, 'live');
  await until(() => clients.every((client) => client.reached(channel) === offset));
  const expected = [...Array.from({ length: 50 }, (_, index) => `${index}`), 'live'];
  for (const client of clients) expect(texts(client.items(channel))).toEqual(expected);
  expect(await server.metric('barrage_gateway_resume_reads_total')).toBe(1);
  expect(await server.metric('barrage_gateway_resumed_publications_total')).toBe(50_000);
});

test('a late joiner is given the newest that it asks for, of each key the newest, and what comes after', async () => {
  const server = await withHistory('{ size: 50, resumePublicationsMax: 10 }');
  for (const text of ['a', 'b', 'c']) await server.publish(channel, text);
  for (const text of ['old', 'new']) await server.publish(channel, text, { conflateKey: 'score' });
  const [client, greedy] = [await server.v1(), await server.v1()];
  const { offset } = await client.subscribe(channel, { rewind: 2 });
  await until(() => client.reached(channel) === 5);
  expect([offset, texts(client.items(channel)), client.of(channel)[0]?.leftOut]).toEqual([2, ['c', 'new'], 1]);
  await greedy.subscribe(channel, { rewind: 1000 });
  await server.publish(channel, 'live');
  await until(() => client.reached(channel) === 6 && greedy.reached(channel) === 6);
  expect(texts(client.items(channel))).toEqual(['c', 'new', 'live']);
  expect(texts(greedy.items(channel))).toEqual(['a', 'b', 'c', 'new', 'live']);
  expect(await server.metric('barrage_gateway_resume_reads_total')).toBe(1);
});

test('a rewind of an empty channel, or without a history, begins at the end; with a position it is an error', async () => {
  const server = await withHistory('{}');
  const client = await server.v1();
  expect((await client.subscribe(channel, { rewind: 5 })).offset).toBe(0);
  await server.publish('room:1', 'x');
  expect((await client.subscribe('room:1', { rewind: 5 })).offset).toBe(1);
  const { error } = await client.command('subscribe', { channel: 'video:2', rewind: 5, since: { epoch: 'e', offset: 1 } });
  expect(error).toMatchObject({ code: 'bad_request', message: expect.stringContaining('rewind: not together with since') });
  expect((await client.command('subscribe', { channel: 'video:2', rewind: 0 })).error).toMatchObject({ code: 'bad_request' });
});

test('what is older than the policy keeps is given to nobody, also where the room still has it', async () => {
  const server = await withHistory('{ ttlSeconds: 1, rewindOnSubscribe: 5 }');
  const watcher = await server.v1();
  await watcher.subscribe(channel);
  const since = await missing(server, ['old']);
  const end = { epoch: since.epoch, offset: since.offset + 1 };
  await until(() => watcher.reached(channel) === end.offset);
  await sleep(1200);
  const [late, back] = [await server.v1(), await server.v1()];
  expect(await late.subscribe(channel, { rewind: 5 })).toEqual(end);
  expect(await back.subscribe(channel, { since })).toEqual({ ...end, recovered: false });
  await server.publish(channel, 'live');
  await until(() => [late, back].every((client) => client.reached(channel) === end.offset + 1));
  for (const client of [late, back]) expect(texts(client.items(channel))).toEqual(['live']);
});

test('a plain client is given the newest of its policy, behind the reply to its subscribe', async () => {
  const server = await withHistory('{ rewindOnSubscribe: 2 }');
  for (const text of ['a', 'b', 'c']) await server.publish(channel, text);
  const client = await server.plain();
  expect(await client.ask({ op: 'subscribe', channel: '1@video' })).toBe('{"result":true}');
  await server.publish(channel, 'live');
  expect([await client.nextText(), await client.nextText(), await client.nextText()]).toEqual(['b', 'c', 'live']);
});
