import type { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { defaultPolicy } from '../../../core/policy/policy.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { idOf } from '../../../gateway/encoding/event-ids.ts';
import { identifiedStreamEncoding, streamEncoding } from '../../../gateway/encoding/event-stream.ts';
import { Delivery } from '../../../gateway/rooms/delivery.ts';
import type { Member } from '../../../gateway/rooms/members.ts';
import { StreamLines } from '../../../gateway/streams/stream-lines.ts';

/** A socket that takes nothing until `drain`. */
class BlockedSocket {
  text = '';
  isBlocked = false;
  writableLength = 0;
  #onDrain = (): void => {};

  get writableNeedDrain(): boolean {
    return this.isBlocked;
  }

  cork(): void {}

  uncork(): void {}

  once(_event: 'drain', listener: () => void): void {
    this.#onDrain = listener;
  }

  write(bytes: Buffer): boolean {
    this.text += bytes.toString();
    this.writableLength = this.isBlocked ? bytes.length : 0;
    return !this.isBlocked;
  }

  drain(): void {
    this.isBlocked = false;
    this.writableLength = 0;
    this.#onDrain();
  }

  /** The ids of the events that were written since the last look, with the type of each. */
  ids(): readonly string[] {
    const events = this.text.split('\n\n').filter((each) => each !== '');
    this.text = '';
    return events.map((each) => `${/"type":"(\w+)"/.exec(each)?.[1]} ${/^id: (.*)$/m.exec(each)?.[1] ?? '-'}`);
  }
}

function streaming(...channels: readonly string[]) {
  const socket = new BlockedSocket();
  const own = new StreamLines(channels, new Map(), 0.5);
  const connection = new Connection({
    id: 1,
    encoding: streamEncoding,
    wire: { socket: socket as unknown as Duplex, close() {}, terminate() {} },
    now: 0,
    onClose() {},
    own,
  });
  const policy = { ...defaultPolicy, slowConsumer: { policy: 'DropOldest', queueBytesMax: 1_500 } as const };
  const members = new Map<string, Member>();
  const memberOf = (channel: string): Member => {
    const memberClass = connection.encodingOf(channel).classAt('full');
    const room = { channel, policy, fullMembers: 0 };
    const member = members.get(channel) ?? { connection, room, memberClass, asked: undefined, active: true, index: 0 };
    members.set(channel, member);
    return member;
  };
  return {
    socket,
    connection,
    subscribed: (channel: string, offset: number): void => connection.tell({ type: 'subscribed', channel, epoch: 'e', offset }),
    batch: (channel: string, upto: number): void => {
      const member = memberOf(channel);
      const span = { channel, epoch: 'e', after: upto - 1, upto };
      const frame = member.memberClass.encoding.batch({ ...span, leftOut: 1 }, []) ?? Buffer.alloc(0);
      const meter = { sent() {} };
      connection.sendBatch(new Delivery({ span, frame, frames: 1, publications: [], members: [member], tallies: [], meter }), member);
    },
  };
}

/** The id of these places: `channel offset` of each. */
function at(...places: readonly (readonly [channel: string, offset: number])[]): string {
  return places.map(([channel, offset]) => idOf(channel, { epoch: 'e', offset })).join(',');
}

test('of one channel the ids are in the shared bytes, of several they are the own of a stream', () => {
  const [one, several] = [streaming('a'), streaming('a', 'b')];
  expect([one.connection.encodingOf('a'), one.connection.encodingOf('b')]).toEqual([identifiedStreamEncoding, streamEncoding]);
  expect(several.connection.encodingOf('a')).toBe(streamEncoding);
  for (const stream of [one, several]) {
    stream.subscribed('a', 4);
    stream.batch('a', 5);
    stream.batch('other', 9);
    expect(stream.socket.ids()).toEqual([`subscribed ${at(['a', 4])}`, `batch ${at(['a', 5])}`, 'batch -']);
  }
});

test('what waits for its turn is given its id when it is written: an id never tells of what was not sent', () => {
  const { socket, subscribed, batch } = streaming('a', 'b', 'c');
  subscribed('a', 4);
  batch('a', 5);
  socket.isBlocked = true;
  batch('a', 6);
  subscribed('b', 20);
  batch('a', 7);
  batch('b', 21);
  subscribed('c', 30);
  socket.ids();
  socket.drain();
  expect(socket.ids()).toEqual([
    `subscribed ${at(['a', 6], ['b', 20])}`,
    `batch ${at(['a', 7], ['b', 20])}`,
    `batch ${at(['a', 7], ['b', 21])}`,
    `subscribed ${at(['a', 7], ['b', 21], ['c', 30])}`,
  ]);
});

test.each([[['a']], [['a', 'b']]])('dropped batches of %s are a gap with the id of its end', (channels) => {
  const { socket, batch } = streaming(...channels);
  batch('a', 1);
  socket.isBlocked = true;
  for (let offset = 2; offset <= 20; offset++) batch('a', offset);
  socket.ids();
  socket.drain();
  const ids = socket.ids();
  expect(ids[0]).toMatch(/^gap /);
  const offsets = ids.map((each) => Number(/(\d+)$/.exec(each)?.[1]));
  expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, index) => 21 - offsets.length + index));
});
