import { expect, test } from 'vitest';
import { BusUnavailable, KeysRefused, type ChannelLog } from '../../../core/bus/bus.ts';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import { idempotencyKey } from '../../../core/idempotency-key.ts';
import { limits } from '../../../core/limits.ts';
import { defaultPolicy, policyFileSchema } from '../../../core/policy/policy.ts';
import { ClientPublishing, type PublishResult } from '../../../gateway/commands/client-publishing.ts';
import { publication } from '../../support/publications.ts';

/**
 * Publishing of one user to a channel with a slow mode of ten seconds, on a bus that goes away when the test says so.
 */
class Publishing {
  isAway = false;
  readonly #publishing = new ClientPublishing({
    append: async () => {
      await Promise.resolve();
      if (this.isAway) throw new BusUnavailable('away');
      return { epoch: 'e', firstOffset: 1, lastOffset: 1 };
    },
  } as Partial<ChannelLog> as ChannelLog);

  async at(now: number): Promise<PublishResult> {
    const [policy] = policyFileSchema.parse({ channels: [{ channel: 'c', access: { publish: 'Public', slowModeSeconds: 10 } }] }).channels;
    if (policy === undefined) throw new Error('no policy');
    return this.#publishing.publish({ channel: 'c', author: 'user 1', policy, publication: publication('x'), now });
  }
}

test('slow mode counts from what was published, and not from what the bus did not take', async () => {
  const publishing = new Publishing();
  publishing.isAway = true;
  expect(await publishing.at(0)).toEqual({ kind: 'unavailable', mayBeDone: false });
  expect(await publishing.at(1_000)).toEqual({ kind: 'unavailable', mayBeDone: false });
  publishing.isAway = false;
  expect(await publishing.at(2_000)).toMatchObject({ kind: 'published' });
  expect(await publishing.at(11_999)).toEqual({ kind: 'slow_mode', waitMs: 1 });
  publishing.isAway = true;
  expect(await publishing.at(12_000)).toEqual({ kind: 'unavailable', mayBeDone: false });
  publishing.isAway = false;
  expect(await publishing.at(12_000)).toMatchObject({ kind: 'published' });
});

test('while a publication is under way its author is slowed down', async () => {
  const publishing = new Publishing();
  const first = publishing.at(0);
  expect(await publishing.at(1)).toEqual({ kind: 'slow_mode', waitMs: 9_999 });
  expect(await first).toMatchObject({ kind: 'published' });
});

test('of as many authors as are remembered each is slowed down; one more, and the longest unused may publish again', async () => {
  const published = async () => ({ epoch: 'e', firstOffset: 1, lastOffset: 1 });
  const publishing = new ClientPublishing({ append: published } as Partial<ChannelLog> as ChannelLog, 2);
  const [policy] = policyFileSchema.parse({
    channels: [{ channel: 'c', access: { publish: 'Public', slowModeSeconds: 10 }, limits: { publicationsPerSecond: 9 } }],
  }).channels;
  if (policy === undefined) throw new Error('no policy');
  const by = (author: string): Promise<PublishResult> =>
    publishing.publish({ channel: 'c', author, policy, publication: publication('x'), now: 0 });
  expect((await by('a')).kind).toBe('published');
  expect((await by('b')).kind).toBe('published');
  expect((await by('a')).kind).toBe('slow_mode');
  expect((await by('b')).kind).toBe('slow_mode');
  expect((await by('c')).kind).toBe('published');
  expect((await by('b')).kind).toBe('slow_mode');
  expect((await by('a')).kind).toBe('published');
});

test('a repetition does not slow its author down, and keys are refused as the bus and the policy say', async () => {
  const { log } = createMemoryBus();
  const publishing = new ClientPublishing(log);
  const channels = [
    { channel: 'c', access: { publish: 'Public', slowModeSeconds: 10 } },
    { channel: 'off', access: { publish: 'Public' }, idempotency: { windowSeconds: 0 } },
  ];
  const policies = policyFileSchema.parse({ channels }).channels;
  const at = (now: number, text: string, { idempotencyKey = 'k', channel = 'c' } = {}): Promise<PublishResult> => {
    const policy = policies.find((each) => each.channel === channel)!;
    return publishing.publish({ channel, author: 'user 1', idempotencyKey, policy, publication: publication(text), now });
  };
  expect(await at(0, 'x')).toMatchObject({ kind: 'published', result: { firstOffset: 1 } });
  expect(await at(10_000, 'x')).toMatchObject({ kind: 'published', result: { firstOffset: 1, known: new Map([[0, { offset: 1 }]]) } });
  expect(await at(10_001, 'y')).toEqual({ kind: 'key_reused' });
  expect(await at(10_002, 'y', { idempotencyKey: 'l' })).toMatchObject({ kind: 'published', result: { firstOffset: 2 } });
  expect(await at(0, 'x', { channel: 'off' })).toEqual({ kind: 'keys_off' });
});

test('clients leave room for the keys of backends', async () => {
  const bounds: unknown[] = [];
  const append: ChannelLog['append'] = async (_channel, _publications, _keep, keys) => {
    bounds.push(keys?.keysMax);
    throw new KeysRefused('full');
  };
  const publishing = new ClientPublishing({ append } as Partial<ChannelLog> as ChannelLog);
  const result = await publishing.publish({
    channel: 'c',
    author: 'client 7',
    idempotencyKey: 'k',
    policy: defaultPolicy,
    publication: publication('x'),
    now: 0,
  });
  expect([result, bounds]).toEqual([{ kind: 'keys_full' }, [limits.clientKeysMax]]);
  const { log } = createMemoryBus();
  const keys = (text: string, keysMax?: number) => ({
    windowSeconds: 300,
    ...(keysMax === undefined ? {} : { keysMax }),
    keys: [idempotencyKey('client', text, publication('x'))],
  });
  await log.append('c', [publication('x')], undefined, keys('a', 1));
  await expect(log.append('c', [publication('x')], undefined, keys('b', 1))).rejects.toThrow(KeysRefused);
  expect(await log.append('c', [publication('x')], undefined, keys('b'))).toMatchObject({ firstOffset: 2 });
});
