import { expect, test } from 'vitest';
import { mergeViews, readClusterNodes, sameOwners, slotCount, slotOf } from '../../../core/redis/slots.ts';

const asked = { host: '10.0.0.9', port: 7000 };
const line = (id: string, place: string, flags: string, ...[epoch, slots]: readonly [epoch: number, slots?: string]): string =>
  `${id} ${place} ${flags} - 0 0 ${epoch} connected${slots === undefined ? '' : ` ${slots}`}`;
const read = (...lines: readonly string[]) => readClusterNodes(`${lines.join('\n')}\n`, asked, false);

test('known slots', () => {
  expect(slotOf('123456789')).toBe(0x31c3);
  expect(slotOf('p:{user1000}.following')).toBe(slotOf('q:{user1000}.followers'));
  expect(slotOf('{}a')).not.toBe(slotOf('{}b'));
});

test('a view has the masters with their slots, without replicas, strangers, and slots under way', () => {
  const view = read(
    line('a', '10.0.0.1:6379@16379', 'myself,master', 3, '0-99 200 [300->-b] [301-<-b]'),
    line('b', '10.0.0.2:6379@16379', 'master', 2, '100-199'),
    line('c', '10.0.0.3:6379@16379', 'slave', 3),
    line('d', ':0@0', 'master,noaddr', 1, '400'),
    line('e', '10.0.0.5:6379@16379', 'handshake,master', 0),
    line('f', '10.0.0.6:6379@16379', 'master,fail', 1, '500'),
  );
  expect(view).toEqual({
    speaker: 'a',
    claims: [
      {
        id: 'a',
        address: '10.0.0.1:6379',
        epoch: 3,
        ranges: [
          [0, 99],
          [200, 200],
        ],
      },
      { id: 'b', address: '10.0.0.2:6379', epoch: 2, ranges: [[100, 199]] },
      { id: 'f', address: '10.0.0.6:6379', epoch: 1, ranges: [[500, 500]] },
    ],
  });
});

test('a node that does not know its own address is where it was asked, and IPv6 and announced names are read', () => {
  const text = [
    line('a', ':7001@17001', 'myself,master', 1, '0'),
    line('b', 'fd00::2:6379@16379,redis-1.redis', 'master', 2, '1'),
    line('c', '10.0.0.3:6379@16379,,shard-id=0123', 'master', 3, '2'),
  ].join('\n');
  expect(readClusterNodes(text, asked, false).claims.map(({ address }) => address)).toEqual([
    '10.0.0.9:7001',
    'fd00::2:6379',
    '10.0.0.3:6379',
  ]);
  expect(readClusterNodes(text, asked, true).claims.map(({ address }) => address)).toEqual([
    '10.0.0.9:7001',
    'redis-1.redis:6379',
    '10.0.0.3:6379',
  ]);
});

test('of two that claim a slot the greater epoch has it, and what a master says of itself counts before what others say of it', () => {
  const stale = read(line('c', 'c:1@2', 'myself,master', 1, '9'), line('a', 'a:1@2', 'master', 7, '0-5'), line('b', 'b:1@2', 'master', 2));
  const from = read(line('a', 'a:1@2', 'myself,master', 7, '0-4'), line('b', 'b:1@2', 'master', 6, '5'));
  const to = read(line('b', 'b:1@2', 'myself,master', 6, '5'), line('a', 'a:1@2', 'master', 7, '0-4'));
  for (const views of [
    [stale, from, to],
    [to, from, stale],
    [from, stale],
    [to, from],
  ]) {
    const owners = mergeViews(views);
    expect(owners).toHaveLength(slotCount);
    expect([owners[4], owners[5]], JSON.stringify(views.map(({ speaker }) => speaker))).toEqual(['a:1', 'b:1']);
  }
  expect(mergeViews([stale])[5]).toBe('a:1');
  expect(mergeViews([])[0]).toBeUndefined();
  expect(sameOwners(mergeViews([from]), mergeViews([to]))).toBe(true);
  expect(sameOwners(mergeViews([from]), mergeViews([stale]))).toBe(false);
});
