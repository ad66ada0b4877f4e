import { expect } from 'vitest';
import { defaultPolicy, policyFileSchema, type ChannelPolicy } from '../../core/policy/policy.ts';
import type { Density, MemberClass } from '../../gateway/encoding/encoding.ts';
import { plainEncoding, v1Encoding } from '../../gateway/encoding/encodings.ts';
import type { ClassCut, Cut } from '../../gateway/merging/cut.ts';
import { Merger } from '../../gateway/merging/merger.ts';
import { publication } from './publications.ts';

export function policyOf(fields: object): ChannelPolicy {
  const [policy] = policyFileSchema.parse({ channels: [{ channel: 'c', ...fields }] }).channels;
  return policy ?? defaultPolicy;
}

export type ClassName = 'plain' | Density;

export function classOf(name: ClassName): MemberClass {
  return name === 'plain' ? plainEncoding.classAt('full') : v1Encoding.classAt(name);
}

/** A room at offset 0 of epoch `e` with these classes open since the time 0. */
export function roomOf(fields: object = {}, classes: readonly ClassName[] = ['full']): Merger {
  const room = new Merger({ policy: policyOf(fields), position: { epoch: 'e', offset: 0 } });
  for (const name of classes) room.openClass(classOf(name), 0);
  return room;
}

export function some(count: number, more: Parameters<typeof publication>[1] = {}): ReturnType<typeof publication>[] {
  return Array.from({ length: count }, () => publication('x', more));
}

export function spans(cuts: readonly Cut[]): readonly (readonly [after: number, upto: number])[] {
  return cuts.map(({ after, upto }) => [after, upto] as const);
}

export function only(cuts: readonly Cut[], name: ClassName = 'full'): ClassCut {
  expect(cuts).toHaveLength(1);
  const classCut = cuts[0]?.classes.find((each) => each.memberClass === classOf(name));
  if (classCut === undefined) throw new Error(`the cut has no class ${name}`);
  return classCut;
}
