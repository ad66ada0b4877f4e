import { expect, onTestFinished, test, vi } from 'vitest';
import { Barrage } from '../../../client/barrage.ts';
import { startAuthServer } from '../../support/auth-server.ts';
import { TestStandalone } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

const channels = [
  { channel: 'open:*', access: { publish: 'Public' } },
  { channel: 'off:*', access: { publish: 'Public' }, idempotency: { windowSeconds: 0 } },
];

test('the SDK publishes once with a key, also after it has connected again', async () => {
  const standalone = await TestStandalone.withPolicies(JSON.stringify({ channels }));
  const connect = (): Barrage => {
    const barrage = new Barrage(`ws://127.0.0.1:${standalone.port}/`);
    onTestFinished(() => barrage.close());
    return barrage;
  };
  const reader = await standalone.v1();
  await reader.subscribe('open:1');
  const options = { idempotencyKey: '8e03978e-40d5-43dd-bc93-6894a57f9324' };
  const [one, other] = [connect(), connect()];
  await vi.waitUntil(() => one.state === 'open' && other.state === 'open', { timeout: 8000 });
  const first = await one.publish('open:1', 'gift', options);
  expect(first).toEqual({ epoch: expect.any(String), offset: 1 });
  // Another connection is another client, as after a reconnect.
  expect(await other.publish('open:1', 'gift', options)).toEqual({ ...first, replayed: true });
  await expect(other.publish('open:1', 'another gift', options)).rejects.toMatchObject({
    code: 'bad_request',
    retry: false,
    message: 'idempotencyKey: it was used for another publication; give each publication a key of its own',
  });
  await one.publish('open:1', 'last');
  await until(() => reader.reached('open:1') === 2);
  expect(reader.items('open:1').map(({ data }) => data)).toEqual(['gift', 'last']);
  // Backends have keys of their own.
  expect(await standalone.publish('open:1', 'gift', options)).toMatchObject({ offset: 3 });
});

test('users have keys of their own, and a policy without keys says so', async () => {
  const auth = await startAuthServer({ me: { status: 200, body: '{"uid":"me"}' }, you: { status: 200, body: '{"uid":"you"}' } });
  const standalone = await TestStandalone.withPolicies(JSON.stringify({ channels }), { BARRAGE_AUTH_URL: auth.url });
  const [me, you] = [await standalone.v1(), await standalone.v1()];
  await me.command('auth', { token: 'me' });
  await you.command('auth', { token: 'you' });
  const fields = { channel: 'open:1', data: 'x', idempotencyKey: 'k' };
  expect((await me.command('publish', fields)).result).toMatchObject({ offset: 1 });
  expect((await you.command('publish', fields)).result).toMatchObject({ offset: 2 });
  expect((await me.command('publish', fields)).result).toMatchObject({ offset: 1, replayed: true });
  expect((await me.command('publish', { ...fields, channel: 'off:1' })).error).toEqual({
    code: 'bad_request',
    message: "idempotencyKey: this channel's policy remembers none",
    retry: false,
  });
  expect((await me.command('publish', { ...fields, idempotencyKey: 'a key' })).error).toMatchObject({ code: 'bad_request' });
});
