import { expect, onTestFinished, test } from 'vitest';
import { createRedisBus, type RedisBus } from '../../core/redis/bus.ts';
import { RedisServer } from '../support/redis-server.ts';
import { AnsweringGateway, question, until, untilUp } from './world.ts';

async function server(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

async function bus(redis: RedisServer, more: { readonly token?: string; readonly countMembers?: boolean } = {}): Promise<RedisBus> {
  const made = createRedisBus({ url: redis.url, prefix: 'claim', ...more });
  onTestFinished(() => made.close());
  await untilUp(made);
  return made;
}

test('a number that another gateway has is claimed until it is free; only then do calls and counts find the claimer', async () => {
  const redis = await server();
  const [stranger, claimer, publisher] = [await bus(redis), await bus(redis), await bus(redis, { countMembers: true })];
  const number = await stranger.calls.serve(new AnsweringGateway('stranger'));
  const gateway = new AnsweringGateway('claimer');
  gateway.members.set('c', { ready: 5, full: 0 });
  claimer.calls.claim(gateway, number);
  expect(await publisher.calls.call(number, question, 5000)).toMatchObject({ kind: 'reply' });
  expect([claimer.calls.isServing, gateway.asked.length]).toEqual([false, 0]);
  expect(publisher.calls.memberCounts('c')).toEqual({ ready: 0, full: 0 });
  await stranger.close();
  await until('the number is claimed', () => claimer.calls.isServing);
  expect(await publisher.calls.call(number, question, 5000)).toMatchObject({ kind: 'reply' });
  expect(gateway.asked).toHaveLength(1);
  await until('the members are counted', () => publisher.calls.memberCounts('c').ready === 5);
});

test('a claim on the server that the process is a gateway of already adds nothing, and takes over where the first ends', async () => {
  const redis = await server();
  const process = '0123456789abcdef';
  const first = await bus(redis, { token: `${process}00000001` });
  const second = await bus(redis, { token: `${process}00000002` });
  const publisher = await bus(redis, { countMembers: true });
  const gateway = new AnsweringGateway('gateway');
  gateway.members.set('c', { ready: 5, full: 0 });
  const number = await first.calls.serve(gateway);
  second.calls.claim(gateway, number);
  await until('the number is known to be ours', () => second.calls.isServing);
  expect((await publisher.calls.callAll(question, 5000)).replies).toHaveLength(1);
  await until('the members are counted', () => publisher.calls.memberCounts('c').ready > 0);
  expect(publisher.calls.memberCounts('c')).toEqual({ ready: 5, full: 0 });
  await first.close();
  await until('calls reach the second', async () => (await publisher.calls.call(number, question, 1000)).kind === 'reply');
  await until('the members are counted again', () => publisher.calls.memberCounts('c').ready === 5);
});
