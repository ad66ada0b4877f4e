import { expect, test } from 'vitest';
import type { GatewayCalls, GatewayReply } from '../../../core/bus/bus.ts';
import { limits } from '../../../core/limits.ts';
import { MemberCounter, type CountSource } from '../../../gateway/commands/member-counter.ts';

/** A pool whose gateways reply as the test says. */
class Pool {
  time = 0;
  replies: readonly GatewayReply[] = [
    { kind: 'counts', members: 3 },
    { kind: 'counts', members: 4 },
  ];
  unanswered: readonly string[] = [];
  questions = 0;
  readonly sources: CountSource[] = [];
  readonly counter = new MemberCounter({
    calls: {
      callAll: async () => {
        this.questions++;
        return { replies: this.replies, unanswered: this.unanswered };
      },
    } as Partial<GatewayCalls> as GatewayCalls,
    clock: { monotonic: () => this.time },
    onCount: (source) => this.sources.push(source),
  });
  readonly #somebody = {};

  count(channel: string, asker: object = this.#somebody): Promise<unknown> {
    return this.counter.count(channel, asker);
  }
}

test('a count is the sum over the gateways, and serves everybody for a second', async () => {
  const pool = new Pool();
  const counts = await Promise.all(Array.from({ length: 1_000 }, () => pool.count('video:1', {})));
  expect(new Set(counts.map((count) => JSON.stringify(count)))).toEqual(new Set(['{"kind":"members","members":7}']));
  pool.time = 999;
  await pool.count('video:1');
  expect(pool.questions).toBe(1);
  pool.time = 1_000;
  await pool.count('video:1');
  expect(pool.questions).toBe(2);
});

test('where nobody replies, not even this gateway, nothing is known: that is no count of 0', async () => {
  const pool = new Pool();
  pool.replies = [];
  expect(await pool.count('video:1')).toEqual({ kind: 'unanswered' });
  pool.replies = [{ kind: 'counts', members: 0 }];
  expect(await pool.count('video:2')).toEqual({ kind: 'members', members: 0 });
  pool.unanswered = ['g2'];
  expect(await pool.count('video:3')).toEqual({ kind: 'unanswered' });
});

test('one asker may have its channels counted at once, then ten a second, and others are not refused for it', async () => {
  const pool = new Pool();
  const asker = {};
  const ask = async (name: string): Promise<number> => {
    const before = pool.questions;
    for (let number = 0; number < 300; number++) await pool.count(`${name}:${number}`, asker);
    return pool.questions - before;
  };
  expect(await ask('a')).toBe(limits.subscriptionsPerConnectionMax);
  expect(await pool.count('b:1', asker)).toEqual({ kind: 'too_many' });
  expect(await pool.count('a:1', asker)).toMatchObject({ kind: 'members' });
  expect(await pool.count('b:1')).toMatchObject({ kind: 'members' });
  pool.time = 1_000;
  expect(await ask('c')).toBe(limits.countQuestionsOfClientPerSecondMax);
});

test('a gateway asks for two hundred channels at once, and then for a hundred a second, whoever wants to know', async () => {
  const pool = new Pool();
  for (let number = 0; number < 1_000; number++) await pool.count(`a:${number}`, {});
  expect(pool.questions).toBe(2 * limits.countQuestionsPerSecondMax);
  expect(pool.sources.filter((source) => source === 'refused')).toHaveLength(800);
  pool.time = 1_000;
  for (let number = 0; number < 1_000; number++) await pool.count(`b:${number}`, {});
  expect(pool.questions).toBe(3 * limits.countQuestionsPerSecondMax);
});
