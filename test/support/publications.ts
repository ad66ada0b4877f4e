import fc from 'fast-check';
import { priorities, type Conflation, type LogBatch, type PlacedPublication, type Publication } from '../../core/publication.ts';
import type { Moment } from '../../gateway/merging/cut.ts';

/** A moment at which both clocks show the same. */
export function moment(milliseconds: number): Moment {
  return { monotonic: milliseconds, wall: milliseconds };
}

/** A text publication; what a test does not care about has plain values. */
export function publication(text: string, more: Partial<Publication> = {}): Publication {
  return {
    kind: 'text',
    payload: Buffer.from(text),
    priority: 'normal',
    acceptedAt: 0,
    ttlMs: 0,
    conflation: undefined,
    sender: undefined,
    traceparent: undefined,
    ...more,
  };
}

export function placed(offset: number, more: Partial<Publication> = {}): PlacedPublication {
  return { offset, publication: publication(`p${offset}`, more), count: undefined };
}

/** A bus batch of publications with consecutive offsets. */
export function logBatch(firstOffset: number, publications: readonly Publication[], epoch = 'e'): LogBatch {
  return { channel: 'c', epoch, firstOffset, publications };
}

export function latest(key: string): Conflation {
  return { key, mode: 'Latest', count: 1 };
}

export function sum(key: string, count = 1): Conflation {
  return { key, mode: 'Sum', count };
}

export const anyConflation: fc.Arbitrary<Conflation | undefined> = fc.option(
  fc.record({
    key: fc.constantFrom('a', 'b'),
    mode: fc.constantFrom('Latest' as const, 'Sum' as const),
    count: fc.integer({ min: 1, max: 9 }),
  }),
  { nil: undefined },
);

/** Publications of every priority, by backends and two clients, some of them conflated, some that expire soon. */
export const anyPublication: fc.Arbitrary<Publication> = fc
  .record({
    priority: fc.constantFrom(...priorities),
    conflation: anyConflation,
    ttlMs: fc.constantFrom(0, 0, 0, 50),
    sender: fc.constantFrom(undefined, undefined, 7, 8),
  })
  .map((more) => publication('p', more));

/** A merge window: publications at rising offsets without a hole. */
export const anyWindow: fc.Arbitrary<readonly PlacedPublication[]> = fc
  .array(anyPublication, { maxLength: 40 })
  .map((publications) => publications.map((each, index) => ({ offset: index + 1, publication: each, count: undefined })));
