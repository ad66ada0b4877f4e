import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defaultPolicy, policyFileSchema, policySchema } from '../../core/policy/policy.ts';
import { readPolicies, readPolicy, type PolicyRead } from '../../core/policy/policy-part.ts';

const params = { seed: 20_261_122, numRuns: 300 };

function understood(entry: unknown): Extract<PolicyRead, { kind: 'policy' }> {
  const read = readPolicy(entry);
  if (read.kind !== 'policy') throw new Error(JSON.stringify(read));
  return read;
}

test('what this version knows is read as it is, also in a policy file', () => {
  const entry = { channel: 'video:*', merge: { windowMilliseconds: 5 }, access: { publish: 'Authenticated' }, presence: 'Members' };
  const read = understood(entry);
  expect(read).toMatchObject({ policy: entry, unknownFields: [], replaced: [] });
  expect(policyFileSchema.parse({ channels: [entry] }).channels).toEqual([read.policy]);
});

test('a field of a newer version is left out, at every depth, and the rest is in force; in a policy file it is a mistake', () => {
  const entry = { channel: 'video:*', merge: { windowMilliseconds: 5, shape: 'Flat' }, replay: { frames: 3 } };
  const read = understood(entry);
  expect(read.policy).toEqual({ ...defaultPolicy, channel: 'video:*', merge: { ...defaultPolicy.merge, windowMilliseconds: 5 } });
  expect(read.unknownFields.toSorted()).toEqual(['merge.shape', 'replay']);
  expect(read.replaced).toEqual([]);
  expect(policyFileSchema.safeParse({ channels: [entry] }).success).toBe(false);
});

test('what was read is not changed', () => {
  const entry = Object.freeze({ channel: 'a', access: Object.freeze({ subscribe: 'Guests', until: 7 }) });
  expect(understood(entry).policy.access.subscribe).toBe('Owner');
});

test.each([
  [
    'a new kind of subscriber lets in nobody rather than everybody',
    { access: { subscribe: 'Members' } },
    { access: { subscribe: 'Owner' } },
  ],
  ['a new kind of publisher leaves publishing to backends', { access: { publish: 'Moderators' } }, { access: { publish: 'Backend' } }],
  ['access in another form is closed', { access: 'Members' }, { access: { subscribe: 'Owner', publish: 'Backend' } }],
  ['a new kind of presence tells nothing', { presence: 'Approximate' }, { presence: 'Off' }],
  ['a new way with slow readers is the default', { slowConsumer: { policy: 'Sample' } }, { slowConsumer: { policy: 'DropOldest' } }],
  ['a number above the bound is the bound', { merge: { windowMilliseconds: 5000 } }, { merge: { windowMilliseconds: 1000 } }],
  ['a number below the bound is the bound', { slowConsumer: { queueBytesMax: 1 } }, { slowConsumer: { queueBytesMax: 4096 } }],
  ['a number that is none is the default', { limits: { payloadBytesMax: '64Ki' } }, { limits: { payloadBytesMax: 65_536 } }],
  ['a group in another form is the default', { merge: 'Never' }, { merge: defaultPolicy.merge }],
])('%s, and the rest is in force', (_, odd, policy) => {
  const read = understood({ channel: 'a', history: { size: 7 }, ...odd });
  expect(read.policy).toMatchObject({ channel: 'a', history: { size: 7 }, ...policy });
  expect(read.replaced).toHaveLength(1);
});

interface Schema {
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}

function choices({ enum: values, properties = {} }: Schema, path: string): readonly string[] {
  const below = Object.entries(properties).flatMap(([name, field]) => choices(field, path === '' ? name : `${path}.${name}`));
  return values === undefined ? below : [path, ...below];
}

test('of every field that is a choice somebody has thought of what an unknown one means: the cases above', () => {
  const schema = z.toJSONSchema(policySchema, { io: 'input' }) as unknown as Schema;
  expect(choices(schema, '').toSorted()).toEqual(['access.publish', 'access.subscribe', 'presence', 'slowConsumer.policy']);
});

test('a policy for channels of users opens none of them', () => {
  const read = understood({ channel: 'user:*', access: { publish: 'Public' } });
  expect(read.policy.access).toMatchObject({ subscribe: 'Owner', publish: 'Public' });
  expect(read.replaced).toHaveLength(1);
});

test.each([[{}], [{ channel: 7 }], [{ channel: 'a*b' }], [{ channel: 'a b', merge: {} }], ['a'], [null], [[]]])(
  '%j is about no channel that this version knows, and is left out alone',
  (odd) => {
    expect(readPolicy(odd).kind).toBe('unread');
    const { policies, misfits } = readPolicies([{ channel: 'a' }, odd, { channel: 'b' }]);
    expect(policies.map(({ channel }) => channel)).toEqual(['a', 'b']);
    expect(misfits).toMatchObject({ unread: 1, unknownFields: 0, replacedValues: 0, examples: [expect.any(String)] });
  },
);

test('of two with the same pattern the first is in force, and misfits are counted by policy with a few examples', () => {
  const entries = Array.from({ length: 100 }, (_, index) => ({ channel: `a:${index}`, [`field${index}`]: 1, presence: 'Half', more: 1 }));
  const { policies, misfits } = readPolicies([{ channel: 'a:0', presence: 'Members' }, ...entries]);
  expect(policies).toHaveLength(100);
  expect(policies[0]?.presence).toBe('Members');
  expect(misfits).toMatchObject({ unknownFields: 99, replacedValues: 99, unread: 1 });
  expect(misfits.examples).toHaveLength(10);
});

test('whatever an entry is, it is read to a policy that a file could have, or left out; nothing throws', () => {
  const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(1e300, -1, 1.5, 'Owner', 'Public', 'Disconnect'));
  const fields = ['merge', 'budget', 'history', 'access', 'slowConsumer', 'limits', 'presence', 'new', '__proto__'];
  const names = ['windowMilliseconds', 'bytesMax', 'subscribe', 'publish', 'policy', 'queueBytesMax', 'size', 'constructor'];
  const group = fc.dictionary(fc.constantFrom(...names), value);
  const entry = fc.oneof(
    fc.jsonValue(),
    fc
      .dictionary(fc.constantFrom(...fields), fc.oneof(group, value))
      .chain((made) => fc.constantFrom('a', 'user:*', '*').map((channel) => ({ ...made, channel }))),
  );
  fc.assert(
    fc.property(entry, (odd) => {
      const read = readPolicy(odd);
      if (read.kind === 'unread') return;
      expect(policySchema.parse(read.policy)).toEqual(read.policy);
      expect(policyFileSchema.safeParse({ channels: [read.policy] }).success).toBe(true);
    }),
    params,
  );
});
