import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import type { Bus, ChannelLog } from '../../../core/bus/bus.ts';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import { Policies, policyFileSchema } from '../../../core/policy/policy.ts';
import { readSettings } from '../../../core/process/settings.ts';
import { Gateway } from '../../../gateway/gateway.ts';
import { TestPool } from '../../support/gateway-pool.ts';
import { recordedLog, type RecordedLog } from '../../support/recorded-log.ts';

/** A gateway on a memory bus with another way to read history. */
async function gatewayWith(read: ChannelLog['history'], log: RecordedLog): Promise<Gateway> {
  const memory = createMemoryBus();
  const bus: Bus = {
    log: {
      append: (channel, publications, keep) => memory.log.append(channel, publications, keep),
      history: read,
      subscribe: (channel, subscriber) => memory.log.subscribe(channel, subscriber),
      unsubscribe: (channel) => memory.log.unsubscribe(channel),
    },
    calls: memory.calls,
    state: () => memory.state(),
    onStateChange: (listener) => memory.onStateChange(listener),
    close: () => memory.close(),
  };
  const settings = readSettings({ BARRAGE_GATEWAY_PORT: '0', BARRAGE_DRAIN_MS: '0' });
  if (settings.kind === 'faults') throw new Error(settings.faults.join());
  const policies = new Policies(policyFileSchema.parse({ channels: [{ channel: 'video:*', history: {} }] }).channels);
  const gateway = await Gateway.start({ settings: settings.settings, bus, policies, registry: new Registry(), logger: log.logger });
  onTestFinished(async () => {
    await gateway.close();
    await memory.close();
  });
  return gateway;
}

async function askHead(port: number): Promise<{ readonly status: number; readonly retry: string | null; readonly body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/channels/video%3A1/head`);
  return { status: response.status, retry: response.headers.get('retry-after'), body: await response.json() };
}

test('a fault of ours is answered in the form of the other errors, and logged', async () => {
  const log = recordedLog();
  const gateway = await gatewayWith(() => Promise.reject(new TypeError('a bug')), log);
  const { status, body } = await askHead(gateway.port);
  expect([status, body]).toEqual([500, { error: { code: 'internal', message: 'internal error; the gateway logged it' } }]);
  expect(log.lines.filter(({ event }) => event === 'pull-failed')).toEqual([
    expect.objectContaining({ level: 'error', channel: 'video:1', err: expect.objectContaining({ message: 'a bug' }) }),
  ]);
});

test('before the first pool document nobody knows what is public: come back', async () => {
  const pool = await TestPool.start(['a']);
  const [member] = pool.members;
  const port = member?.port ?? 0;
  expect(await askHead(port)).toMatchObject({ status: 503, retry: '1', body: { error: { code: 'unavailable' } } });
  await pool.pushToAll(pool.document({ epoch: 1 }));
  expect(await askHead(port)).toMatchObject({ status: 404, body: { error: { code: 'no_history' } } });
});
