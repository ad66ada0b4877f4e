import fc from 'fast-check';
import { SignJWT } from 'jose';
import { expect, onTestFinished, test, vi } from 'vitest';
import { renewalDelayMs } from '../../client/authentication.ts';
import { platformClock } from '../../client/client-clock.ts';
import { Barrage, type BarrageError, type BarrageOptions } from '../../client/barrage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { TestStandalone } from '../support/standalone.ts';
import { agreeable, ScriptedGateway, type Answer } from './scripted-gateway.ts';

vi.setConfig({ testTimeout: 20_000 });

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 8000, interval: 2 });
}

/**
 * A client of a gateway with which each accepted token lasts for `expiresInMs`; tokens named in `refused` are not
 * accepted.
 */
async function clientOf(
  script: { readonly expiresInMs: number; readonly refused?: readonly string[] },
  options: BarrageOptions,
): Promise<{ readonly gateway: ScriptedGateway; readonly barrage: Barrage; readonly errors: readonly BarrageError[] }> {
  const answer: Answer = (command, connection) => {
    if (command.op !== 'auth') return agreeable(command, connection);
    if (script.refused?.includes(command.token) === true)
      return { error: { code: 'not_authenticated', message: 'the token has expired', retry: false } };
    return { result: { uid: 'me', expiresInMs: script.expiresInMs } };
  };
  const gateway = await ScriptedGateway.start({ answer });
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const barrage = new Barrage(gateway.url, options);
  onTestFinished(() => barrage.close());
  const errors: BarrageError[] = [];
  barrage.on('error', (error) => errors.push(error));
  return { gateway, barrage, errors };
}

function tokensOf(gateway: ScriptedGateway): readonly string[] {
  return (gateway.connections.at(-1)?.commands ?? []).flatMap((command) => (command.op === 'auth' ? [command.token] : []));
}

test('a token is renewed before it ends, by at most two minutes, and never more than once a second', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 40 }), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (expiresInMs, random) => {
      const delayMs = renewalDelayMs(expiresInMs, () => random);
      expect(delayMs).toBeGreaterThanOrEqual(1000);
      if (expiresInMs > 1000) expect(delayMs).toBeLessThanOrEqual(expiresInMs);
      if (expiresInMs > 2000) expect(delayMs).toBeGreaterThanOrEqual(Math.max(expiresInMs / 2, expiresInMs - 120_000));
    }),
  );
  // Clients that came together are spread over a minute.
  expect(renewalDelayMs(3_600_000, () => 0)).toBe(3_480_000);
  expect(renewalDelayMs(3_600_000, () => 0.999_999)).toBeCloseTo(3_540_000, -1);
});

test('a token that a function gives is renewed in the open connection', async () => {
  let made = 0;
  const { gateway, barrage, errors } = await clientOf({ expiresInMs: 1200 }, { token: () => Promise.resolve(`token ${++made}`) });
  const subscription = barrage.subscribe('c');
  await until(() => tokensOf(gateway).length === 3);
  expect(tokensOf(gateway)).toEqual(['token 1', 'token 2', 'token 3']);
  expect(gateway.connections).toHaveLength(1);
  expect(subscription.state).toBe('subscribed');
  expect(errors).toEqual([]);
});

test.each<readonly [string, () => unknown, string]>([
  ['hangs', (): unknown => new Promise(() => {}), 'did not answer in 10000 ms'],
  [
    'throws',
    (): unknown => {
      throw new Error('no session');
    },
    'no session',
  ],
  ['gives nothing', (): unknown => Promise.resolve(undefined), 'must give a string, and gave undefined'],
  ['gives an object', (): unknown => Promise.resolve({ token: 't' }), 'must give a string, and gave object'],
])('a token function that %s is told of and asked again, at the first connection and at a renewal', async (_what, fail, words) => {
  const clock = new FakeClock();
  let asked = 0;
  const token = (): Promise<string> => (++asked === 2 ? Promise.resolve('good') : (fail() as Promise<string>));
  const { gateway, barrage, errors } = await clientOf({ expiresInMs: 3_000 }, { token, clock, random: () => 0.5 });
  const passTime = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await clock.advance(200);
  };
  while (asked < 2) await passTime();
  expect(errors).toMatchObject([{ code: 'disconnected', retry: true }]);
  expect(errors[0]?.message).toContain(words);
  await until(() => barrage.state === 'open');
  expect(tokensOf(gateway)).toEqual(['good']);
  while (errors.length < 2) await passTime();
  expect(errors[1]?.message).toContain(`the token could not be renewed: the token could not be had: `);
  expect(errors[1]?.message).toContain(words);
  expect(barrage.state).toBe('open');
});

test('a renewal that fails is told and tried again until the token ends, and costs no connection', async () => {
  let made = 0;
  const token = (): Promise<string> =>
    ++made === 2 ? Promise.reject(new Error('the login service is away')) : Promise.resolve(`token ${made}`);
  // Its clock stands still: however long the attempts take, they come before the token ends.
  const { gateway, barrage, errors } = await clientOf(
    { expiresInMs: 2000, refused: ['token 3'] },
    { token, clock: { ...platformClock, monotonic: () => 0 } },
  );
  await until(() => tokensOf(gateway).includes('token 4'));
  expect(tokensOf(gateway)).toEqual(['token 1', 'token 3', 'token 4']);
  expect(errors).toMatchObject([
    {
      code: 'disconnected',
      retry: true,
      message: 'the token could not be renewed: the token could not be had: the login service is away',
    },
    { code: 'not_authenticated', retry: true, message: 'the token could not be renewed: the token has expired' },
  ]);
  expect([barrage.state, gateway.connections.length]).toEqual(['open', 1]);
});

test('when the token has ended, renewing it is given up', async () => {
  let made = 0;
  const token = (): Promise<string> => (++made === 1 ? Promise.resolve('token 1') : Promise.reject(new Error('away')));
  const { barrage, errors } = await clientOf({ expiresInMs: 1010 }, { token });
  await until(() => errors.at(-1)?.retry === false);
  const asked = made;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(made).toBe(asked);
  expect(barrage.state).toBe('open');
});

test('a closed client asks for no token any more', async () => {
  let made = 0;
  const { barrage } = await clientOf({ expiresInMs: 1000 }, { token: () => Promise.resolve(`token ${++made}`) });
  await until(() => barrage.state === 'open');
  barrage.close();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(made).toBe(1);
});

test('with a real gateway a subscription that needs an identity outlasts the token that it began with', async () => {
  const secret = 'a shared secret of 32 characters';
  const policies = JSON.stringify({ channels: [{ channel: 'vip:*', access: { subscribe: 'Authenticated', publish: 'Authenticated' } }] });
  const standalone = await TestStandalone.withPolicies(policies, { BARRAGE_JWT_SECRET: secret });
  let made = 0;
  let firstEndsAt = 0;
  // With the tolerance of five seconds it lasts for six, and is renewed when three are over.
  const token = (): Promise<string> => {
    made += 1;
    if (made === 1) firstEndsAt = performance.now() + 6_000;
    return new SignJWT({ sub: 'me', exp: Date.now() / 1000 + 1 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
  };
  const barrage = new Barrage(`ws://127.0.0.1:${standalone.port}/`, { token, random: () => 0 });
  onTestFinished(() => barrage.close());
  const errors: BarrageError[] = [];
  barrage.on('error', (error) => errors.push(error));
  const subscription = barrage.subscribe('vip:1');
  await vi.waitUntil(() => made >= 3 && performance.now() > firstEndsAt + 500, { timeout: 15_000, interval: 10 });
  // Before a command the gateway ends an identity whose time is over.
  await barrage.ping();
  expect([subscription.state, barrage.state, errors]).toEqual(['subscribed', 'open', []]);
  const arrived = new Promise((resolve) => subscription.on('publication', ({ data }) => resolve(data)));
  expect(await standalone.publish('vip:1', 'still here')).toMatchObject({ s: 1 });
  expect(await arrived).toBe('still here');
});
