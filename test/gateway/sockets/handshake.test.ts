import { expect, onTestFinished, test, vi } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { rawSocket, readToEnd, upgradeRequest } from '../../support/raw-socket.ts';
import { until } from '../../support/websocket.ts';
import { TestStandalone } from '../../support/standalone.ts';

vi.setConfig({ testTimeout: 40_000 });

test('a request that does not arrive whole within ten seconds is ended, whether it trickles, stops or never begins', async () => {
  const barrage = await TestStandalone.start();
  const startedAt = performance.now();
  const [silent, stopped, trickling] = [await rawSocket(barrage.port), await rawSocket(barrage.port), await rawSocket(barrage.port)];
  stopped.write(upgradeRequest(barrage.port));
  const request = upgradeRequest(barrage.port, [`X-Long: ${'x'.repeat(1000)}`]);
  let at = 0;
  const timer = setInterval(() => trickling.write(request.slice(at, ++at)), 200);
  onTestFinished(() => clearInterval(timer));
  const answers = await Promise.all([silent, stopped, trickling].map((socket) => readToEnd(socket)));
  const seconds = (performance.now() - startedAt) / 1000;
  expect(seconds).toBeGreaterThan(limits.handshakeTimeoutMs / 1000 - 1);
  expect(seconds).toBeLessThan(limits.handshakeTimeoutMs / 1000 + 5);
  for (const answer of answers.slice(1)) expect(answer.toString()).toMatch(/^HTTP\/1.1 408 /);
  expect(await barrage.metric('barrage_gateway_connections_refused_total', 'reason="request"')).toBeGreaterThanOrEqual(2);
  // Our side is gone too, though the client kept its own open.
  await until(() => trickling.destroyed);
  expect((await (await barrage.v1()).command('ping')).result).toEqual({ now: expect.any(Number) });
});
