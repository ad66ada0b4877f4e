import { expect, test } from 'vitest';
import { LogLines } from '../../../cli/commands/log-lines.ts';
import { FoundLines, foundText, LogSearch } from '../../../cli/view/log-search.ts';

const line = (fields: object): string => JSON.stringify({ level: 'debug', time: '2026-01-01T20:14:00.000Z', part: 'gateway', ...fields });

const found = (wanted: string, ...lines: readonly string[]) => {
  const search = new LogSearch(wanted, 'live-abc');
  return lines.flatMap((each) => search.read(each));
};

test('lines about the user or the connection are found, by the whole value', () => {
  expect(found('alice', line({ user: 'alice' }))).toMatchObject([{ source: 'live-abc', time: '2026-01-01T20:14:00.000Z' }]);
  expect(found('1099511627783', line({ connection: 1_099_511_627_783 }), line({ connection: '1099511627783' }))).toHaveLength(2);
  expect(found('用户"1', line({ user: '用户"1' }))).toHaveLength(1);
  const others = [
    line({ user: 'alice2' }),
    line({ channel: 'alice' }),
    line({ user: { alice: 'alice' } }),
    'alice',
    '["alice"]',
    '{"user":"alice"',
    'null',
  ];
  expect(found('alice', ...others)).toEqual([]);
});

test('the lines of a user’s connections belong to the user, also those from before the user was known', () => {
  const events = found(
    'alice',
    line({ event: 'connection-opened', connection: '7' }),
    line({ event: 'connection-opened', connection: '8' }),
    line({ event: 'user-identified', connection: '7', user: 'alice' }),
    line({ event: 'user-identified', connection: '8', user: 'bob' }),
    line({ event: 'rate-limited', connection: '7' }),
    line({ event: 'rate-limited', connection: '8' }),
    line({ event: 'connection-closed', connection: '7', user: 'alice' }),
  ).map(({ fields }) => fields['event']);
  expect(events).toEqual(['connection-opened', 'user-identified', 'rate-limited', 'connection-closed']);
});

test('connections without a user are remembered up to a bound, the newest ones', () => {
  const opened = Array.from({ length: 10_001 }, (_, index) => line({ event: 'connection-opened', connection: String(index) }));
  expect(found('alice', ...opened, line({ connection: '0', user: 'alice' }))).toHaveLength(1);
  expect(found('alice', ...opened, line({ connection: '10000', user: 'alice' }))).toHaveLength(2);
});

test('a found line tells time, level, source, event and fields, without what a terminal obeys', () => {
  const text = line({ event: 'connection-closed', message: 'closed', user: 'alice', code: 4000, reason: 'too slow', channel: '\u001b[2J' });
  expect(found('alice', text).map(foundText)).toEqual([
    String.raw`2026-01-01T20:14:00.000Z  DEBUG  live-abc  connection-closed  "closed"  user=alice  code=4000  reason="too slow"  channel=\x1b[2J`,
  ]);
});

test('the newest lines are kept, in the order of their times, and the others counted', () => {
  const found = new FoundLines(3);
  for (const second of [5, 1, 9, 3, 7, 2, 8]) found.add({ source: 'pod', time: `2026-01-01T00:00:0${second}Z`, fields: { second } });
  expect(found.sorted().map(({ fields }) => fields['second'])).toEqual([7, 8, 9]);
  expect(found.leftOut).toBe(4);
});

test('a log in chunks is cut into lines: characters across chunks, overlong lines, no last line end', () => {
  const lines: string[] = [];
  const cutter = new LogLines(10, (text) => lines.push(text));
  const bytes = Buffer.from('弹幕\nshort\n0123456789abcdef\n\nlast');
  for (const byte of bytes) cutter.add(Buffer.from([byte]));
  cutter.end();
  expect(lines).toEqual(['弹幕', 'short', '0123456789', '', 'last']);
  expect({ count: cutter.count, bytes: cutter.bytes }).toEqual({ count: 5, bytes: bytes.length });
});
