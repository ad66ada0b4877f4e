import { expect, test } from 'vitest';
import { EventReader } from '../../../../client/transport/event-reader.ts';

test('events are read whatever parts they come in, and whatever ends their lines', () => {
  const events = ['{"a":1}', 'two\nlines', '', '弹幕', ' space'];
  for (const end of ['\n', '\r\n', '\r']) {
    const wire = [
      `retry: 500${end}id: 7${end}data: {"a":1}${end}${end}`,
      `: a comment${end}${end}`,
      `event: x${end}data: two${end}data: lines${end}${end}`,
      `data${end}${end}`,
      `data:弹幕${end}${end}database: no${end}data:  space${end}${end}`,
    ].join('');
    for (let size = 1; size < 12; size++) {
      const reader = new EventReader();
      const got: string[] = [];
      for (let at = 0; at < wire.length; at += size) got.push(...(reader.push(wire.slice(at, at + size)) ?? ['too long']));
      // An end of line that may be half of one is complete with the next character.
      got.push(...(reader.push(':') ?? []));
      expect(got, `${JSON.stringify(end)} in parts of ${size}`).toEqual(events);
    }
  }
});

test('an event without an end is bounded', () => {
  const part = 'x'.repeat(1_048_576);
  const lines = new EventReader();
  const line = new EventReader();
  line.push('data: ');
  for (let parts = 0; parts < 15; parts++) {
    expect(lines.push(`data: ${part}\n`)).toEqual([]);
    expect(line.push(part)).toEqual([]);
  }
  expect(line.push(part)).toBeUndefined();
  expect(lines.push(`data: ${part}\n`)).toEqual([]);
  expect(lines.push(`data: x\n`)).toBeUndefined();
});
