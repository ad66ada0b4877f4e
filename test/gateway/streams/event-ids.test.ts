import { expect, test } from 'vitest';
import { endId, idOf, keyOf, readLastEventId } from '../../../gateway/encoding/event-ids.ts';

function read(id: string | undefined, ...channels: readonly string[]): unknown {
  const last = readLastEventId(id, channels);
  return last.kind === 'end' ? 'end' : { places: Object.fromEntries(last.positions), unknown: [...last.unknown] };
}

const one = { epoch: 'e1', offset: 9 };
const two = { epoch: 'e2', offset: 0 };

test('an id gives back the places that it was made of, whatever the order of the query', () => {
  const id = [idOf('video:1', one), idOf('user:7', two)].join(',');
  expect(read(id, 'user:7', 'video:1')).toEqual({ places: { 'video:1': one, 'user:7': two }, unknown: [] });
  expect(read(id, 'video:1', 'video:2')).toEqual({ places: { 'video:1': one }, unknown: [] });
  expect(read(id)).toEqual({ places: {}, unknown: [] });
});

test('without an id there are no places, and the id of an end is one', () => {
  for (const none of [undefined, '']) expect(read(none, 'video:1')).toEqual({ places: {}, unknown: [] });
  expect(read(endId, 'video:1')).toBe('end');
});

test.each(['17', 'a.b', `${idOf('video:1', one)},`, `${idOf('video:1', one)}x`, 'a.e1.01', 'x'.repeat(3000), 'END'])(
  'of what can not be read, such as %s, every channel may have missed something',
  (id) => {
    expect(read(id, 'video:1', 'video:2')).toEqual({ places: {}, unknown: ['video:1', 'video:2'] });
  },
);

test('an offset that no channel can have is no place', () => {
  expect(read(`${keyOf('video:1')}.e1.9007199254740993`, 'video:1')).toEqual({ places: {}, unknown: ['video:1'] });
});

test('two names with one key have no place, and are told so', () => {
  // Found by search: 32 bits are few.
  const [left, right] = collision();
  expect(keyOf(left)).toBe(keyOf(right));
  expect(read(idOf(left, one), left, right, 'video:1')).toEqual({ places: {}, unknown: [left, right] });
  expect(read(idOf(left, one), left, 'video:1')).toEqual({ places: { [left]: one }, unknown: [] });
});

function collision(): readonly [string, string] {
  const known = new Map<string, string>();
  for (let number = 0; ; number++) {
    const name = `video:${number}`;
    const key = keyOf(name);
    const other = known.get(key);
    if (other !== undefined) return [other, name];
    known.set(key, name);
  }
}

test('the id of as many channels as a query may have is read', () => {
  const channels = Array.from({ length: 16 }, (_, index) => `video:${index}`);
  const place = { epoch: 'a'.repeat(64), offset: Number.MAX_SAFE_INTEGER };
  expect(read(channels.map((channel) => idOf(channel, place)).join(','), ...channels)).toEqual({
    places: Object.fromEntries(channels.map((channel) => [channel, place])),
    unknown: [],
  });
});
