import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SendQueue, waitingOverheadBytes, type Waiting, type WaitingBatch } from '../../../gateway/connections/send-queue.ts';

type Batch = WaitingBatch<string>;
type Entry = Waiting<string, Batch>;

const queueBytesMax = 4096;
const dropOldest = { policy: 'DropOldest', queueBytesMax } as const;
const disconnect = { policy: 'Disconnect', queueBytesMax } as const;

/** A batch that counts as so many bytes: its frame and its overhead. */
function batch(owner: string, after: number, bytes: number, upto = after + 1): Batch {
  return { kind: 'batch', frame: Buffer.alloc(bytes - waitingOverheadBytes), owner, epoch: 'e', after, upto };
}

/** `owner` before the spans of its batches and gaps, `control` for the rest. */
function described(waiting: readonly Entry[]): readonly string[] {
  return waiting.map((one) =>
    one.kind === 'control' ? `control ${one.frame.length}` : `${one.kind === 'gap' ? 'gap ' : ''}${one.owner}(${one.after},${one.upto}]`,
  );
}

test('takes batches up to the bound and not one byte past it', () => {
  const queue = new SendQueue<string, Batch>();
  expect(queue.offer(batch('a', 0, 3000), disconnect, 0)).toEqual({ kind: 'queued', dropped: [] });
  expect(queue.offer(batch('a', 1, 1097), disconnect, 0)).toMatchObject({ kind: 'disconnect', dropped: [{ after: 1 }] });
  expect(queue.offer(batch('a', 1, 1096), disconnect, 0).kind).toBe('queued');
  expect(queue.bytes).toBe(queueBytesMax);
});

test('what the socket itself holds, and replies, count towards the bound', () => {
  const queue = new SendQueue<string, Batch>();
  queue.offerControl(Buffer.alloc(96));
  expect(queue.bytes).toBe(96 + waitingOverheadBytes);
  expect(queue.offer(batch('a', 0, 901), disconnect, 3000).kind).toBe('disconnect');
  expect(queue.offer(batch('a', 0, 900), disconnect, 3000).kind).toBe('queued');
});

test('small frames are bounded by the memory that they take: a queue of them holds no more of them than of large ones', () => {
  const queue = new SendQueue<string, Batch>();
  const frame = Buffer.alloc(2);
  let taken = 0;
  while (queue.offer({ ...batch('a', taken, waitingOverheadBytes), frame }, disconnect, 0).kind === 'queued') taken++;
  expect(taken).toBe(Math.floor(queueBytesMax / (2 + waitingOverheadBytes)));
});

test('a batch of a channel that has nothing in a queue that others fill is a gap, at once', () => {
  const queue = new SendQueue<string, Batch>();
  for (let after = 0; queue.bytes + 128 <= queueBytesMax; after++) queue.offer(batch('a', after, 128), dropOldest, 0);
  for (let after = 0; after < 10; after++) expect(queue.offer(batch('b', after, 200), dropOldest, 0).dropped).toMatchObject([{ after }]);
  expect(described(queue.takeAll()).slice(-2)).toEqual(['a(31,32]', 'gap b(0,10]']);
});

test('a full queue drops the oldest down to three quarters, and one gap stands in their place', () => {
  const queue = new SendQueue<string, Batch>();
  for (let after = 0; after < 8; after++) queue.offer(batch('a', after, 512), dropOldest, 0);
  const { kind, dropped } = queue.offer(batch('a', 8, 512), dropOldest, 0);
  expect([kind, dropped.map(({ after }) => after)]).toEqual(['queued', [0, 1, 2]]);
  expect(queue.bytes).toBe(6 * 512);
  expect(described(queue.takeAll())).toEqual(['gap a(0,3]', 'a(3,4]', 'a(4,5]', 'a(5,6]', 'a(6,7]', 'a(7,8]', 'a(8,9]']);
  expect(queue.bytes).toBe(0);
});

test('replies are never dropped, and other subscriptions keep theirs', () => {
  const queue = new SendQueue<string, Batch>();
  queue.offer(batch('b', 0, 1000), dropOldest, 0);
  queue.offerControl(Buffer.alloc(10));
  for (let after = 0; after < 30; after++) queue.offer(batch('a', after, 1000), dropOldest, 0);
  const all = described(queue.takeAll());
  expect(all.slice(0, 2)).toEqual(['b(0,1]', 'control 10']);
  expect(all.slice(2)).toEqual(['gap a(0,28]', 'a(28,29]', 'a(29,30]']);
});

test('a batch larger than the whole bound is a gap', () => {
  const queue = new SendQueue<string, Batch>();
  queue.offer(batch('a', 0, 100), dropOldest, 0);
  expect(queue.offer(batch('a', 1, 5000), dropOldest, 0).dropped.map(({ after }) => after)).toEqual([0, 1]);
  expect(described(queue.takeAll())).toEqual(['gap a(0,2]']);
});

test('a reader of many channels who stalls for good costs no more and more gaps', () => {
  const queue = new SendQueue<string, Batch>();
  const owners = Array.from({ length: 128 }, (_, index) => `c${index}`);
  for (let after = 0; after < 200; after++) {
    for (const owner of owners) queue.offer(batch(owner, after, 100), dropOldest, 0);
    if (after % 10 === 0) queue.offerControl(Buffer.alloc(2));
  }
  const waiting = queue.takeAll();
  expect(waiting.length).toBeLessThan(2 * owners.length + queueBytesMax / 100 + 20);
  for (const owner of owners) {
    let upto = 0;
    for (const one of waiting) {
      if (one.kind === 'control' || one.owner !== owner) continue;
      expect(one.after).toBe(upto);
      upto = one.upto;
    }
    expect(upto).toBe(200);
  }
});

test('gaps of two epochs stay two gaps', () => {
  const queue = new SendQueue<string, Batch>();
  queue.offer(batch('a', 0, 5000), dropOldest, 0);
  queue.offer({ ...batch('a', 0, 5000), epoch: 'f' }, dropOldest, 0);
  queue.offer({ ...batch('a', 1, 5000), epoch: 'f' }, dropOldest, 0);
  expect(described(queue.takeAll())).toEqual(['gap a(0,1]', 'gap a(0,2]']);
});

const anyStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('offer' as const),
      owner: fc.constantFrom('a', 'b', 'c'),
      bytes: fc.integer({ min: 1 + waitingOverheadBytes, max: 3000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('control' as const), bytes: fc.integer({ min: 1, max: 50 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), owner: fc.constantFrom('a', 'b', 'c') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), taken: fc.integer({ min: 0, max: 10 }) }) },
);

test('every step against a plain array: nothing is lost from the accounts, spans join on, bytes are bounded', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 120 }), (steps) => {
      const queue = new SendQueue<string, Batch>();
      // The model: batches that must still be in the queue, and how far each owner was told (by a batch or a gap).
      let model: Batch[] = [];
      let controls: number[] = [];
      const next = new Map<string, number>();
      const told = new Map<string, number>();
      const tell = (taken: readonly Entry[]): void => {
        for (const one of taken) {
          if (one.kind === 'control') {
            expect(one.frame.length).toBe(controls.shift());
            continue;
          }
          expect(one.after).toBe(told.get(one.owner) ?? 0);
          told.set(one.owner, one.upto);
          if (one.kind !== 'batch') continue;
          expect(model.find(({ owner }) => owner === one.owner)).toBe(one);
          model = model.filter((each) => each !== one);
        }
      };
      for (const step of steps) {
        if (step.do === 'offer') {
          const after = next.get(step.owner) ?? 0;
          const offered = batch(step.owner, after, step.bytes);
          next.set(step.owner, after + 1);
          model.push(offered);
          const { dropped } = queue.offer(offered, dropOldest, 0);
          for (const each of dropped) {
            expect(model.find(({ owner }) => owner === each.owner)).toBe(each);
            model = model.filter((other) => other !== each);
          }
          expect(queue.bytes - queue.controlBytes).toBeLessThanOrEqual(queueBytesMax);
        } else if (step.do === 'control') {
          queue.offerControl(Buffer.alloc(step.bytes));
          controls.push(step.bytes);
        } else if (step.do === 'leave') {
          const removed = queue.removeOwner(step.owner);
          expect(removed).toEqual(model.filter(({ owner }) => owner === step.owner));
          model = model.filter(({ owner }) => owner !== step.owner);
          told.set(step.owner, next.get(step.owner) ?? 0);
        } else {
          const all = queue.takeAll();
          tell(all.slice(0, step.taken));
          queue.putBack(all.slice(step.taken));
        }
        expect(queue.bytes).toBe(
          [...model.map(({ frame }) => frame.length), ...controls].reduce((sum, bytes) => sum + bytes + waitingOverheadBytes, 0),
        );
      }
      tell(queue.takeAll());
      expect([model, controls]).toEqual([[], []]);
      for (const [owner, upto] of next) expect([owner, told.get(owner)]).toEqual([owner, upto]);
      controls = [];
    }),
    { numRuns: 1000 },
  );
});
