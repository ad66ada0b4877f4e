import { expect, test } from 'vitest';
import { TestStandalone } from '../support/standalone.ts';

test('a', async () => {
  const barrage = await TestStandalone.start();
  const client = await barrage.plain();
  expect(await client.ask({ op: 'subscribe', channel: '100001@video' })).toBe('{"result":true}');
  const r = await barrage.publish('video:100001', 'hi');
  expect(r.s).toBe(1);
  expect(await client.nextText()).toBe('hi');
  const v1 = await barrage.v1();
  console.log(await v1.subscribe('video:100001'));
});
