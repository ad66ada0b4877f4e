import { expect, test } from 'vitest';
import { withOwnWrites, type OwnWrite, type VersionedObject } from '../../../operator/decide/own-writes.ts';

const now = 1_000_000;
const isOlder = (version: string | undefined, than: string | undefined) => Number(version) < Number(than);
const pod = (uid: string, resourceVersion: string): VersionedObject => ({ metadata: { uid, resourceVersion } });
const write = (result: OwnWrite<VersionedObject>['result'], uid = 'a', at = now): OwnWrite<VersionedObject> => ({
  uid,
  result,
  at,
  unix: at,
});

function merged(stored: readonly VersionedObject[], writes: readonly OwnWrite<VersionedObject>[], heard?: string) {
  return withOwnWrites(stored, writes, { isOlder, heard, now });
}

test('what we wrote stands in for what the store has not heard of, until it has', () => {
  expect(merged([pod('a', '1')], [write(pod('a', '2'))])).toEqual({ objects: [pod('a', '2')], pending: [write(pod('a', '2'))] });
  expect(merged([pod('a', '2')], [write(pod('a', '2'))])).toEqual({ objects: [pod('a', '2')], pending: [] });
  expect(merged([pod('a', '3')], [write(pod('a', '2'))])).toEqual({ objects: [pod('a', '3')], pending: [] });
});

test('a pod that we made counts before the store has it, for a minute', () => {
  expect(merged([], [write(pod('a', '2'))]).objects).toEqual([pod('a', '2')]);
  expect(merged([], [write(pod('a', '2'), 'a', now - 60_001)])).toEqual({ objects: [], pending: [] });
});

test('a pod that the store has lost since our write is gone, and one that it has not heard of yet is there', () => {
  expect(merged([], [write(pod('a', '2'))], '1').objects).toEqual([pod('a', '2')]);
  expect(merged([], [write(pod('a', '2'))], '2')).toEqual({ objects: [], pending: [] });
  expect(merged([], [write(pod('a', '2'))], '3')).toEqual({ objects: [], pending: [] });
});

test('a pod that we deleted is on its way out before the store says so', () => {
  const { objects, pending } = merged([pod('a', '1')], [write('deleted')]);
  expect(objects[0]?.metadata.deletionTimestamp).toBe(new Date(now).toISOString());
  expect(pending).toHaveLength(1);
  expect(merged([], [write('deleted')])).toEqual({ objects: [], pending: [] });
  expect(merged([pod('b', '1')], [write('deleted')]).objects).toEqual([pod('b', '1')]);
});

test('two writes to one pod: the later one stands', () => {
  expect(merged([pod('a', '1')], [write(pod('a', '2')), write(pod('a', '3'))]).objects).toEqual([pod('a', '3')]);
  expect(merged([pod('a', '1')], [write(pod('a', '2')), write('deleted')]).objects[0]?.metadata.deletionTimestamp).toBeDefined();
});
