import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommandQueue, inFlightMax, waitingBytesMax } from '../../../client/command-queue.ts';
import { TokenBucket } from '../../../core/token-bucket.ts';

const limits = { frameBytesMax: 65_536, subscriptionsMax: 128, commandsPerSecondMax: 200 };

/** Sends all that is due until it has to wait, and answers it at once. */
function drain(queue: CommandQueue, now: number): readonly number[] {
  const sent: number[] = [];
  for (;;) {
    const step = queue.step(now);
    if (step.kind !== 'send') return sent;
    sent.push(step.command.id);
    queue.forget(step.command.id);
  }
}

test('a command of just the length that the gateway takes is taken, one byte more is not; letters count as their bytes', () => {
  const queue = new CommandQueue({ ...limits, frameBytesMax: 30 });
  expect(queue.add(1, 'x'.repeat(30), true)).toBeUndefined();
  expect(queue.add(2, 'x'.repeat(31), true)).toBe('too_large');
  expect(queue.add(3, '弹'.repeat(10), true)).toBeUndefined();
  expect(queue.add(4, '弹'.repeat(11), true)).toBe('too_large');
  expect(queue.add(5, 'x'.repeat(31), false)).toBe('too_large');
  expect(drain(queue, 0)).toEqual([1, 3]);
});

test('as many calls wait as go out in five seconds, and not one more; a subscribe is taken all the same, and goes first', () => {
  const queue = new CommandQueue({ ...limits, commandsPerSecondMax: 10 });
  for (let id = 1; id <= 50; id++) expect(queue.add(id, 'call', true)).toBeUndefined();
  expect(queue.waitingMax).toBe(50);
  expect(queue.add(51, 'call', true)).toBe('full');
  expect(queue.add(52, 'subscribe', false)).toBeUndefined();
  expect(drain(queue, 0)).toEqual([52, 1, 2, 3, 4]);
  expect(queue.add(53, 'call', true)).toBeUndefined();
});

test('the bytes of the calls that wait are bounded, and are counted off when they are sent or given up', () => {
  const queue = new CommandQueue(limits);
  const large = 'x'.repeat(65_536);
  const fits = waitingBytesMax / large.length;
  for (let id = 1; id <= fits; id++) expect(queue.add(id, large, true)).toBeUndefined();
  expect(queue.add(100, 'x', true)).toBe('full');
  queue.forget(fits);
  expect(queue.add(101, large, true)).toBeUndefined();
  expect(queue.add(102, 'x', true)).toBe('full');
  expect(drain(queue, 0).length).toBeGreaterThan(0);
  expect(queue.add(103, 'x', true)).toBeUndefined();
});

test('no more is in flight than the gateway lets wait: 32 commands, or two of the longest', () => {
  const many = new CommandQueue(limits);
  for (let id = 1; id <= 40; id++) many.add(id, 'x', true);
  for (let id = 1; id <= inFlightMax; id++) expect(many.step(0).kind).toBe('send');
  expect(many.step(0)).toEqual({ kind: 'idle' });
  many.forget(1);
  expect(many.step(0)).toMatchObject({ kind: 'send', command: { id: inFlightMax + 1 } });
  const long = new CommandQueue(limits);
  for (let id = 1; id <= 3; id++) long.add(id, 'x'.repeat(65_536), true);
  expect([long.step(0).kind, long.step(0).kind, long.step(0).kind]).toEqual(['send', 'send', 'idle']);
});

test('whatever is added when, the gateway never sees more than its rate, also where the network delays by up to a quarter of a second', () => {
  const rate = 40;
  const waits = fc.array(fc.record({ afterMs: fc.nat(300), commands: fc.nat(60), delayMs: fc.nat(250) }), { maxLength: 40 });
  fc.assert(
    fc.property(waits, (steps) => {
      const queue = new CommandQueue({ ...limits, commandsPerSecondMax: rate });
      const gateway = new TokenBucket(rate, 0);
      let now = 0;
      let id = 0;
      let arrivedAt = 0;
      for (const { afterMs, commands, delayMs } of steps) {
        now += afterMs;
        for (let count = 0; count < commands; count++) queue.add(++id, 'x', count % 2 === 0);
        for (const _ of drain(queue, now)) {
          // In order, as a connection delivers.
          arrivedAt = Math.max(arrivedAt, now + delayMs);
          expect(gateway.available(arrivedAt, rate, rate)).toBeGreaterThanOrEqual(1);
          gateway.take(1);
        }
      }
    }),
  );
});

test('a queue that has to wait says for how long, and sends then', () => {
  const queue = new CommandQueue({ ...limits, commandsPerSecondMax: 10 });
  for (let id = 1; id <= 8; id++) queue.add(id, 'x', true);
  expect(drain(queue, 0)).toEqual([1, 2, 3, 4, 5]);
  const step = queue.step(0);
  expect(step).toEqual({ kind: 'wait', ms: 112 });
  expect(queue.step(111).kind).toBe('wait');
  expect(queue.step(112)).toMatchObject({ kind: 'send', command: { id: 6 } });
});
