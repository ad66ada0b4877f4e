import { expect, test, vi } from 'vitest';
import { priorities } from '../../../core/publication.ts';
import { dropReasons } from '../../../gateway/accounts/tally.ts';
import { Random } from '../../simulation/random.ts';
import { EventStream } from '../../support/event-stream.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

const policies = JSON.stringify({
  channels: [
    { channel: 'calm:*', merge: { windowMilliseconds: 20 }, budget: { publicationsPerSecond: 30 } },
    { channel: 'big:*', merge: { windowMilliseconds: 10 }, slowConsumer: { queueBytesMax: 200_000 } },
  ],
});
const channels = ['calm:1', 'big:1'];
const queries = ['channel=calm:1', 'channel=big:1', 'channel=calm:1&channel=big:1', 'channel=calm:1&channel=big:1&density=20', ''];

// SEED replays a run that failed.
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

test(`offered = delivered + dropped + pending among streams and WebSockets, whatever becomes of them (seed ${seed})`, async () => {
  const random = new Random(seed);
  const barrage = await TestStandalone.withPolicies(policies);
  const { tally } = barrage.gateway.metrics;
  const socket = await barrage.v1();
  for (const channel of channels) await socket.subscribe(channel);
  const streams: EventStream[] = [];
  const gone: EventStream[] = [];
  const stalled = new Set<EventStream>();
  for (let round = 0; round < 60; round++) {
    if (streams.length < 8) {
      const stream = await EventStream.open(barrage.port, { query: random.pick(queries) });
      if (stream.of('subscribed').length === 0) await stream.command('subscribe', { channel: random.pick(channels) });
      streams.push(stream);
    }
    const one = random.pick(streams);
    if (random.chance(0.2)) {
      one.stall();
      stalled.add(one);
    } else if (random.chance(0.3)) {
      one.resume();
      stalled.delete(one);
    } else if (random.chance(0.1)) {
      streams.splice(streams.indexOf(one), 1);
      gone.push(one);
      one.leave();
    }
    await Promise.all(
      Array.from({ length: 5 + random.below(25) }, (_, index) => {
        const channel = random.pick(channels);
        const data = `${round} ${index} ${channel === 'big:1' ? 'x'.repeat(40_000) : ''}`;
        return barrage.publish(channel, data, { priority: random.pick(priorities) });
      }),
    );
    for (const priority of priorities) expect(tally.pending(priority)).toBeGreaterThanOrEqual(0);
  }
  for (const stream of streams) stream.resume();
  await until(() => priorities.every((priority) => tally.pending(priority) === 0));
  const sum = (kind: Parameters<typeof tally.count>[0]): number =>
    priorities.reduce((total, priority) => total + tally.count(kind, priority), 0);
  const got = (): number => [...streams, ...gone].reduce((total, stream) => total + itemsOf(stream), 0) + itemsOf(socket);
  const itemsOf = (reader: { items(channel: string): { readonly length: number } }): number =>
    channels.reduce((total, channel) => total + reader.items(channel).length, 0);
  // What was on its way to those that left was handed to their sockets.
  const lost = gone.length > 0;
  await until(() => (lost ? got() <= sum('delivered') : got() === sum('delivered')));
  expect(dropReasons.reduce((total, reason) => total + sum(reason), sum('delivered'))).toBe(sum('offered'));
  expect(sum('budget')).toBeGreaterThan(0);
  // Spans of a stream leave no hole that it was not told of, and no publication comes twice.
  for (const stream of streams) {
    const places = new Map<string, number>();
    for (const { message } of stream.events) {
      if (message.type === 'subscribed') places.set(message.channel, message.offset);
      if (message.type !== 'batch' && message.type !== 'gap') continue;
      const place = places.get(message.channel) ?? message.after;
      expect(message.after).toBeLessThanOrEqual(place);
      if (message.type === 'batch') expect(message.items.filter(({ offset }) => offset <= place)).toEqual([]);
      places.set(message.channel, message.upto);
    }
  }
});
