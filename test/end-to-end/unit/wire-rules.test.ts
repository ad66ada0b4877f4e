import { expect, test } from 'vitest';
import { leavesAt, seededRandom, writeChecksum } from '../network/wire-rules.ts';

/** A TCP segment from port 6790 to 40000 with this text, as a VXLAN device sends it. */
function segment(text: string): Buffer {
  const datagram = Buffer.alloc(22 + 40 + text.length);
  datagram.writeUInt16BE(0x0800, 20);
  datagram[22] = 0x45;
  datagram.writeUInt16BE(40 + text.length, 24);
  datagram[31] = 6;
  datagram.set([10, 9, 0, 1, 10, 9, 0, 2], 34);
  datagram.writeUInt16BE(6790, 42);
  datagram.writeUInt16BE(40_000, 44);
  datagram[54] = 0x50;
  datagram.write(text, 62);
  return datagram;
}

/** The sum that a receiver makes of pseudo-header and segment: 0xffff where the checksum is right. */
function received(datagram: Buffer): number {
  const part = datagram.subarray(42);
  const pseudo = Buffer.from([...datagram.subarray(34, 42), 0, 6, part.length >> 8, part.length & 255]);
  const bytes = Buffer.concat([pseudo, part, Buffer.alloc(part.length % 2)]);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

test.each(['', 'even', 'odd'])('a segment with %j gets the checksum that the receiver wants', (text) => {
  const datagram = segment(text);
  expect(received(datagram)).not.toBe(0xffff);
  writeChecksum(datagram);
  expect(received(datagram)).toBe(0xffff);
});

test('what is no TCP stays as it is', () => {
  const arp = Buffer.alloc(50, 7);
  writeChecksum(arp);
  expect(arp).toEqual(Buffer.alloc(50, 7));
});

test('a packet is late, waits for the end of a silence, or does not come at all', () => {
  const packet = segment('x');
  const never = (): number => 1 - Number.EPSILON;
  expect(leavesAt(packet, {}, 1000, never)).toBe(1000);
  expect(leavesAt(packet, { delayMs: 300 }, 1000, never)).toBe(1300);
  const stalls = { everyMs: 3000, forMs: 1000 };
  expect([3000, 3999, 4000, 5999].map((now) => leavesAt(packet, { stalls, delayMs: 10 }, now, never))).toEqual([4010, 4010, 4010, 6009]);
  expect(leavesAt(packet, { lossShare: 0.1 }, 1000, () => 0.0999)).toBeUndefined();
  expect(leavesAt(packet, { lossShare: 0.1 }, 1000, () => 0.1)).toBe(1000);
  expect(leavesAt(packet, { cut: 'all' }, 1000, never)).toBeUndefined();
  expect(leavesAt(packet, { cut: [6790] }, 1000, never)).toBeUndefined();
  expect(leavesAt(packet, { cut: [40_000] }, 1000, never)).toBeUndefined();
  expect(leavesAt(packet, { cut: [6791] }, 1000, never)).toBe(1000);
});

test('losses repeat with their seed', () => {
  const first = (seed: number): readonly number[] => Array.from({ length: 1000 }, seededRandom(seed));
  expect(first(1)).toEqual(first(1));
  expect(first(1)).not.toEqual(first(2));
  expect(Math.abs(first(3).filter((value) => value < 0.1).length - 100)).toBeLessThan(30);
});
