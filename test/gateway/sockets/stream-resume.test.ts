import { expect, test, vi } from 'vitest';
import { EventStream } from '../../support/event-stream.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

const policies = `channels: [
  { channel: "video:*", history: { size: 1000, ttlSeconds: 600 }, merge: { windowMilliseconds: 20 } },
  { channel: "plain:*" },
]`;

/** A page that comes back by itself, again and again: all that its streams gave it, in order. */
class Page {
  readonly items = new Map<string, string[]>();
  readonly #query: string;
  #stream: EventStream | undefined;

  constructor(channels: readonly string[]) {
    this.#query = channels.map((channel) => `channel=${channel}`).join('&');
  }

  async dial(port: number): Promise<EventStream> {
    const options = { query: this.#query };
    this.#stream =
      this.#stream === undefined
        ? await EventStream.open(port, options)
        : await EventStream.open(port, { ...options, headers: { 'last-event-id': this.#stream.lastEventId } });
    return this.#stream;
  }

  /** Loses its stream in the middle of whatever comes. */
  cut(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.leave();
    for (const batch of stream.of('batch'))
      this.items.set(batch.channel, [...(this.items.get(batch.channel) ?? []), ...batch.items.map(({ data = '' }) => data)]);
  }
}

test.each([[['video:1']], [['video:1', 'video:2', 'video:3']]])(
  'a page of %s that loses its stream again and again gets everything once, in order',
  async (channels) => {
    const barrage = await TestStandalone.withPolicies(policies);
    const page = new Page(channels);
    const told: unknown[] = [];
    const expected = new Map(channels.map((channel) => [channel, [] as string[]]));
    for (let round = 0; round < 8; round++) {
      const stream = await page.dial(barrage.port);
      told.push(...stream.of('subscribed').map(({ recovered }) => recovered));
      const publishing = (async (): Promise<void> => {
        for (let index = 0; index < 30; index++) {
          const channel = channels[index % channels.length] ?? '';
          const data = `${round}/${index}`;
          expected.get(channel)?.push(data);
          await barrage.publish(channel, data);
        }
      })();
      // In the last round all that is still to come is waited for.
      await until(() => stream.of('batch').length >= channels.length);
      if (round < 7) page.cut();
      await publishing;
      if (round === 7) await until(() => channels.every((channel) => stream.data(channel).at(-1) === expected.get(channel)?.at(-1)));
    }
    page.cut();
    expect(Object.fromEntries(page.items)).toEqual(Object.fromEntries(expected));
    expect(told).toEqual([...channels.map(() => undefined), ...Array.from({ length: 7 * channels.length }, () => true)]);
  },
);

test('what can not be given is told: no history, an unknown epoch, an id that can not be read', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const query = 'channel=plain:1&channel=video:1';
  const first = await EventStream.open(barrage.port, { query });
  for (const channel of ['plain:1', 'video:1']) await barrage.publish(channel, 'seen');
  await until(() => first.of('batch').length === 2);
  const told = async (lastEventId: string): Promise<unknown> => {
    const stream = await EventStream.open(barrage.port, { query, headers: { 'last-event-id': lastEventId } });
    return stream.of('subscribed').map(({ channel, recovered }) => [channel, recovered]);
  };
  const { lastEventId } = first;
  expect(await told(lastEventId)).toEqual([
    ['plain:1', true],
    ['video:1', true],
  ]);
  for (const channel of ['plain:1', 'video:1']) await barrage.publish(channel, 'missed');
  const room = barrage.gateway.rooms.find('plain:1');
  await until(() => room?.position.offset === 2);
  expect(await told(lastEventId)).toEqual([
    ['plain:1', false],
    ['video:1', true],
  ]);
  expect(await told(lastEventId.replaceAll(/\.\w{8}\./g, '.unknown0.'))).toEqual([
    ['plain:1', false],
    ['video:1', false],
  ]);
  expect(await told('17')).toEqual([
    ['plain:1', false],
    ['video:1', false],
  ]);
  // An id that names one of the channels says nothing of the other.
  expect(await told(lastEventId.split(',')[1] ?? '')).toEqual([
    ['plain:1', undefined],
    ['video:1', true],
  ]);
});

test('the query takes the place of the header for clients that can not set it', async () => {
  const barrage = await TestStandalone.withPolicies(policies);
  const first = await EventStream.open(barrage.port, { query: 'channel=video:1' });
  for (const data of ['a', 'b', 'c']) await barrage.publish('video:1', data);
  await until(() => first.data('video:1').length === 3);
  const [{ id } = { id: '' }] = first.events.filter(({ message }) => message.type === 'batch');
  const again = await EventStream.open(barrage.port, { query: `channel=video:1&lastEventId=${id}` });
  await until(() => again.data('video:1').at(-1) === 'c');
  expect([...first.data('video:1').slice(0, first.of('batch')[0]?.items.length), ...again.data('video:1')]).toEqual(['a', 'b', 'c']);
});
