import { expect, test } from 'vitest';
import { Listener, publication } from '../world.ts';
import { joining, moving, Rig } from './joined-rig.ts';
import type { StandInServer } from './stand-in-server.ts';

test('while some publish to one bus and some to the other, the orders change at most twice a second, and nothing is lost', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  const listener = new Listener();
  await gateway.log.subscribe('c', listener);
  const published: string[] = [];
  const publish = (server: StandInServer): void => {
    const text = `${server.epoch}${published.length}`;
    published.push(text);
    server.append('c', [publication(text)]);
  };
  for (let turn = 0; turn < 50; turn++) {
    if (turn === 25) gateway.follow(moving);
    publish(rig.a);
    publish(rig.b);
    await rig.clock.advance(100);
  }
  await rig.clock.advance(1000);
  expect(listener.texts.toSorted()).toEqual(published.toSorted());
  // Each order by itself is as it was published.
  for (const { epoch } of [rig.a, rig.b])
    expect(listener.texts.filter((text) => text.startsWith(epoch))).toEqual(published.filter((text) => text.startsWith(epoch)));
  const changes = listener.batches.filter(({ epoch }, index) => index > 0 && epoch !== listener.batches[index - 1]?.epoch);
  expect(changes.length).toBeLessThanOrEqual(2 * 6);
});

test('batches that wait are bounded, and go before a later one of their bus', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  const listener = new Listener();
  await gateway.log.subscribe('c', listener);
  rig.a.append('c', [publication('a')]);
  for (let each = 0; each < 199; each++) rig.b.append('c', [publication('b')]);
  expect(listener.texts).toEqual(['a']);
  rig.b.append('c', [publication('b')]);
  expect(listener.texts).toHaveLength(201);
  rig.a.append('c', [publication('a')]);
  rig.b.append('c', [publication('early')]);
  gateway.follow(moving);
  rig.b.append('c', [publication('late')]);
  expect(listener.texts.slice(-3)).toEqual(['a', 'early', 'late']);
  gateway.log.unsubscribe('c');
  await rig.clock.advance(2000);
  expect(listener.texts).toHaveLength(204);
});

test('after a change of the order a position from another gateway proves nothing, for some seconds', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  await gateway.log.subscribe('c', new Listener());
  rig.a.append('c', [publication('1')]);
  expect(gateway.log.doubtfulPosition?.('c')).toBeUndefined();
  gateway.follow(moving);
  expect(gateway.log.doubtfulPosition?.('c')).toBeUndefined();
  rig.b.append('c', [publication('2')]);
  await rig.clock.advance(4999);
  expect(gateway.log.doubtfulPosition?.('c')).toMatchObject({ offset: 0, epoch: expect.not.stringMatching(/^e[AB]$/) });
  await rig.clock.advance(1);
  expect(gateway.log.doubtfulPosition?.('c')).toBeUndefined();
  expect(gateway.log.doubtfulPosition?.('nobody is here')).toBeUndefined();
});
