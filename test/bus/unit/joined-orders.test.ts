import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settle } from '../../support/fake-clock.ts';
import { Listener, publication } from '../world.ts';
import { joining, leaving, moving, Rig } from './joined-rig.ts';
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

const stages = [{ publishTo: 'a', listenTo: ['a'] }, joining, moving, leaving] as const;
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('publish' as const), to: fc.constantFrom('a', 'b'), channel: fc.constantFrom('c', 'd') }),
    fc.record({ kind: fc.constant('stage' as const), by: fc.constantFrom(-1, 1) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(10, 400, 1000) }),
    fc.record({ kind: fc.constant('interrupt' as const), of: fc.constantFrom('a', 'b') }),
  ),
  { maxLength: 60 },
);

test.each([false, true])(
  'whatever is published while stages come and go: each publication once, each bus in its order (one server: %s)',
  async (isTwin) => {
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const rig = new Rig({ isTwin });
        const gateway = rig.process('gateway');
        let stage = 0;
        gateway.follow(stages[0]);
        const listeners = new Map([
          ['c', new Listener()],
          ['d', new Listener()],
        ]);
        for (const [channel, listener] of listeners) await gateway.log.subscribe(channel, listener);
        const published: string[] = [];
        for (const step of taken) {
          const listenTo: readonly string[] = stages[stage]!.listenTo;
          if (step.kind === 'publish' && listenTo.includes(step.to)) {
            const text = `${step.channel}${step.to}${published.length}`;
            published.push(text);
            rig[step.to as 'a' | 'b'].append(step.channel, [publication(text)]);
          } else if (step.kind === 'stage') {
            stage = Math.min(stages.length - 1, Math.max(0, stage + step.by));
            gateway.follow(stages[stage]);
            await settle();
          } else if (step.kind === 'wait') {
            await rig.clock.advance(step.ms);
          } else if (step.kind === 'interrupt' && listenTo.includes(step.of)) {
            // Nothing was missed, so nobody is told.
            rig.connection(gateway, step.of).resubscribe('c');
          }
        }
        await rig.clock.advance(1000);
        for (const [channel, listener] of listeners) {
          expect(listener.resubscribed).toEqual([]);
          for (const bus of ['a', 'b']) {
            const isOf = (text: string): boolean => text.startsWith(channel + bus);
            expect(listener.texts.filter(isOf)).toEqual(published.filter(isOf));
          }
        }
      }),
      { numRuns: 300 },
    );
  },
);
