import { expect, onTestFinished, test } from 'vitest';
import { RedisProxy } from '../support/redis-proxy.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TestProcess } from '../support/process.ts';
import { until } from './world.ts';

test.each([':0\r\n', '*0\r\n', '*1\r\n$8\r\nsmessage\r\n', '*1\r\n$10\r\nssubscribe\r\n'])(
  'an answer that nobody asked for, before that of its own subscription, ends the connection and not the gateway: %j',
  async (stray) => {
    const redis = await RedisServer.start();
    onTestFinished(() => redis.dispose());
    let strays = 1;
    const proxy = await RedisProxy.before(redis, (text) => (text.includes('ssubscribe') && strays-- > 0 ? stray + text : text));
    onTestFinished(() => proxy.dispose());
    const gateway = new TestProcess('gateway/main.ts', { BARRAGE_REDIS_URL: proxy.url, BARRAGE_GATEWAY_PORT: '0' });
    const ready = `http://127.0.0.1:${await gateway.port()}/readyz`;
    await until('it was told', () => gateway.stderr.includes('"redis-failed"') || gateway.hasEnded, 30_000);
    await until('it serves', async () => (await fetch(ready).catch(() => undefined))?.ok === true || gateway.hasEnded, 30_000);
    expect(gateway.hasEnded, gateway.stderr).toBe(false);
  },
);
