import { expect, test } from 'vitest';
import { BusUnavailable, type ChannelLog } from '../../../core/bus/bus.ts';
import { policyFileSchema } from '../../../core/policy/policy.ts';
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
