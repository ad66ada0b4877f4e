import fc from 'fast-check';
import { expect, test } from 'vitest';
import { heldBytesMax, heldPublicationsMax, Holdback } from '../../../client/holdback.ts';
import type { NewBatch, Step } from '../../../client/step.ts';

/** A batch of `(after, after + length × every]`, of which some publications are summed. */
function batch(after: number, data: readonly string[], sums: readonly boolean[] = [], every = 1): Extract<Step, { kind: 'batch' }> {
  const publications = data.map((text, index) => ({
    channel: 'c',
    offset: after + every * (1 + index),
    data: text,
    ...(sums[index] === true ? { count: 2 } : {}),
  }));
  return { kind: 'batch', batch: { epoch: 'e', after, upto: after + data.length * every, publications } };
}

function gap(after: number, upto: number): Step {
  return { kind: 'gap', from: { epoch: 'e', offset: after }, to: { epoch: 'e', offset: upto }, reason: 'missed' };
}

function offsets(step: Step | undefined): readonly number[] | undefined {
  return step?.kind === 'batch' ? step.batch.publications.map(({ offset }) => offset) : undefined;
}

function snapshot(at: number): Step {
  return { kind: 'snapshot', position: { epoch: 'e', offset: at }, state: at };
}

/** The offsets from which and up to which a step leads. */
function ends(step: Step): readonly [number | undefined, number] {
  if (step.kind === 'batch') return [step.batch.after, step.batch.upto];
  return step.kind === 'gap' ? [step.from?.offset, step.to.offset] : [step.position.offset, step.position.offset];
}

function end(step: Step): number {
  return ends(step)[1];
}

test('a batch is taken in parts as its publications grow old, and its spans join on', () => {
  const held = new Holdback();
  held.add(batch(3, ['a', 'b', 'c']), [10, 20, 30]);
  held.add(gap(6, 9), []);
  expect(held.position).toEqual({ epoch: 'e', offset: 3 });
  expect(held.take(109, 100)).toBeUndefined();
  expect(held.dueAt(100)).toBe(110);
  expect(held.take(120, 100)).toMatchObject({ batch: { after: 3, upto: 5, publications: [{ data: 'a' }, { data: 'b' }] } });
  expect(held.position).toEqual({ epoch: 'e', offset: 5 });
  expect(held.take(129, 100)).toBeUndefined();
  expect(held.take(130, 100)).toMatchObject({ batch: { after: 5, upto: 6, publications: [{ data: 'c' }] } });
  // A gap waits for what is before it, and for nothing else.
  expect(held.take(130, 100)).toEqual(gap(6, 9));
  expect([held.isEmpty, held.position, held.publications, held.dueAt(100)]).toEqual([true, undefined, 0, undefined]);
});

test('no part ends between a sum and the offsets that it may count', () => {
  // Offsets 2 and 4 are not there: the sums at 3 and 5 may count them.
  const publications = [1, 3, 5, 6].map((offset) => ({
    channel: 'c',
    offset,
    data: '',
    ...(offset % 2 === 1 && offset > 1 ? { count: 2 } : {}),
  }));
  const held = new Holdback();
  held.add({ kind: 'batch', batch: { epoch: 'e', after: 0, upto: 6, publications } }, [10, 20, 30, 40]);
  expect(held.dueAt(100)).toBe(110);
  expect(offsets(held.take(125, 100))).toEqual([1]);
  expect(held.dueAt(100)).toBe(130);
  expect(held.take(129, 100)).toBeUndefined();
  expect(offsets(held.take(130, 100))).toEqual([3, 5]);
  expect(offsets(held.take(140, 100))).toEqual([6]);
});

test('what a client missed comes in one batch, which has every offset: its sums count nothing else, and part it', () => {
  const held = new Holdback();
  held.add(batch(0, ['a', 'likes', 'b', 'likes'], [false, true, false, true]), [10, 20, 30, 40]);
  expect(offsets(held.take(130, 100))).toEqual([1, 2, 3]);
  expect(offsets(held.take(140, 100))).toEqual([4]);
});

test('one whose publisher has a clock behind waits for those before it, and one without publications only for them', () => {
  const held = new Holdback();
  held.add(batch(0, ['late', 'early']), [50, 0]);
  held.add({ kind: 'batch', batch: { epoch: 'e', after: 2, upto: 9, publications: [] } }, []);
  expect(held.take(149, 100)).toBeUndefined();
  expect(offsets(held.take(150, 100))).toEqual([1, 2]);
  expect(offsets(held.take(150, 100))).toEqual([]);
});

test('it is over its bounds one past them: publications, and bytes', () => {
  const held = new Holdback();
  for (let offset = 0; offset < heldPublicationsMax; offset++) held.add(batch(offset, ['']), [0]);
  expect([held.publications, held.isOver]).toEqual([heldPublicationsMax, false]);
  held.add(batch(heldPublicationsMax, ['']), [0]);
  expect(held.isOver).toBe(true);
  held.takeFirst();
  expect([held.publications, held.isOver]).toEqual([heldPublicationsMax, false]);

  const large = new Holdback();
  large.add(batch(0, ['x'.repeat(heldBytesMax / 2)]), [0]);
  expect(large.isOver).toBe(false);
  const bytes: NewBatch = { epoch: 'e', after: 1, upto: 2, publications: [{ channel: 'c', offset: 2, data: new Uint8Array(1) }] };
  large.add({ kind: 'batch', batch: bytes }, [0]);
  expect(large.isOver).toBe(true);
  large.takeFirst();
  large.takeFirst();
  expect(large.isOver).toBe(false);
});

const age = fc.integer({ min: 0, max: 400 });
const arrival = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('batch' as const), ages: fc.array(fc.tuple(age, fc.boolean()), { maxLength: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('gap' as const, 'snapshot' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('look' as const), afterMs: fc.nat(200), delayMs: fc.constantFrom(0, 50, 300, Infinity) }),
  },
);

test('whatever arrives and however the delay changes: all of it once, in order, with spans that join on, and never early', () => {
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 40 }), fc.boolean(), fc.constantFrom(1, 2), (arrivals, sums, every) => {
      const held = new Holdback();
      const born = new Map<number, number>();
      const added: Step[] = [];
      const taken: Step[] = [];
      let now = 0;
      let upto = 0;
      const look = (delayMs: number): void => {
        for (let step = held.take(now, delayMs); step !== undefined; step = held.take(now, delayMs)) {
          expect(ends(step)[0]).toBe(taken.length === 0 ? 0 : end(taken.at(-1) as Step));
          for (const offset of offsets(step) ?? []) expect((born.get(offset) as number) + delayMs).toBeLessThanOrEqual(now);
          taken.push(step);
          const position = held.position?.offset;
          expect(position).toBe(held.isEmpty ? undefined : end(step));
        }
        // What is left is left because its first is too young.
        if (!held.isEmpty) expect(held.dueAt(delayMs)).toBeGreaterThan(now);
      };
      for (const each of arrivals) {
        if (each.kind === 'look') {
          now += each.afterMs;
          look(each.delayMs);
          continue;
        }
        const after = upto;
        const ages = each.kind === 'batch' ? each.ages : [];
        upto += each.kind === 'gap' ? 3 : ages.length * every;
        const step =
          each.kind === 'batch'
            ? batch(
                after,
                ages.map(([ms]) => 'x'.repeat(ms % 7)),
                ages.map(([, isSum]) => sums && isSum),
                every,
              )
            : each.kind === 'gap'
              ? gap(after, upto)
              : snapshot(after);
        const bornAt = ages.map(([ms]) => now - ms);
        for (const [index, at] of bornAt.entries()) born.set(after + every * (1 + index), at);
        added.push(step);
        held.add(step, bornAt);
      }
      now += 1_000;
      look(300);
      expect([held.isEmpty, held.publications, held.isOver]).toEqual([true, 0, false]);
      expect(taken.flatMap((step) => offsets(step) ?? [])).toEqual(added.flatMap((step) => offsets(step) ?? []));
      expect(taken.filter(({ kind }) => kind !== 'batch')).toEqual(added.filter(({ kind }) => kind !== 'batch'));
      if (taken.length > 0) expect(end(taken.at(-1) as Step)).toBe(upto);
      // Where offsets are not there, no part ends before a later sum of its batch.
      for (const step of every === 1 ? [] : added) {
        if (step.kind !== 'batch') continue;
        const sum = step.batch.publications.findLast(({ count }) => count !== undefined)?.offset ?? 0;
        expect(taken.filter((part) => end(part) > step.batch.after && end(part) < sum)).toEqual([]);
      }
    }),
    { numRuns: 2_000 },
  );
});
