import { expect, test } from 'vitest';
import { codeOf, readHead, readSegment, withoutRecalled } from '../../../../client/transport/pulled.ts';

const span = { type: 'batch', channel: 'c', epoch: 'e', leftOut: 0 };

function offsetsOf(batch: { readonly publications: readonly { readonly offset: number }[] }): readonly number[] {
  return batch.publications.map(({ offset }) => offset);
}

test('what has outlived its time is left out, at the time that is known', () => {
  const items = [
    { offset: 1, data: 'a', ttlMs: 100 },
    { offset: 2, recall: { offsets: [4] } },
    { offset: 3, data: 'b', ttlMs: 101 },
    { offset: 5, data: 'c' },
  ];
  const segment = { ...span, after: 0, upto: 5, at: 1_000, items };
  expect(offsetsOf(readSegment(segment, 1_100))).toEqual([1, 3, 5]);
  expect(offsetsOf(readSegment(segment, 1_101))).toEqual([3, 5]);
  expect(offsetsOf(readSegment(segment, undefined))).toEqual([1, 3, 5]);
  expect(readSegment(segment, 2_000)).toMatchObject({ after: 0, upto: 5, publications: [{ offset: 5, data: 'c', acceptedAt: 1_000 }] });
});

test('a head is read with its open segment, and what is none is nothing', () => {
  const head = {
    epoch: 'e',
    offset: 2,
    segmentOffsets: 50,
    waitMs: 1_000,
    open: { ...span, after: 0, upto: 2, items: [{ offset: 2, kind: 'binary', data: 'AAE=' }] },
  };
  expect(readHead(head, undefined)).toMatchObject({ offset: 2, waitMs: 1_000, open: { publications: [{ data: Uint8Array.of(0, 1) }] } });
  for (const fault of [
    null,
    'x',
    {},
    { ...head, epoch: 7 },
    { ...head, segmentOffsets: 0 },
    { ...head, earlier: {} },
    { ...head, open: 1 },
  ])
    expect(readHead(fault, undefined)).toBeUndefined();
  expect(() => readHead({ ...head, open: { type: 'batch' } }, undefined)).toThrow('malformed message: batch');
});

test('a tombstone takes effect on older segments that are told with it, of its own epoch', () => {
  const batch = (epoch: string, after: number, items: readonly object[]) =>
    ({ kind: 'batch', batch: readSegment({ ...span, epoch, after, upto: after + 3, items }, undefined) }) as const;
  const old = [1, 2, 3].map((offset) => ({ offset, data: 'x' }));
  const steps = [batch('d', 0, old), batch('e', 0, old), batch('e', 3, [{ offset: 4, recall: { offsets: [2] } }])];
  const told = withoutRecalled(steps);
  expect(told.map((step) => (step.kind === 'batch' ? offsetsOf(step.batch) : step))).toEqual([[1, 2, 3], [1, 3], []]);
  expect(withoutRecalled(steps.slice(0, 2))).toEqual(steps.slice(0, 2));
});

test('the code of an error is read, if there is one', () => {
  expect([codeOf({ error: { code: 'gone' } }), codeOf({ error: {} }), codeOf('<html>'), codeOf(undefined)]).toEqual(['gone', '', '', '']);
});
