import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import { OpenStreams } from '../../../gateway/streams/open-streams.ts';
import { StreamEndpoint, type StreamEndpointOptions } from '../../../gateway/streams/stream-endpoint.ts';
import { gauges } from '../../simulation/gateway.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 60_000 });

/** The endpoint alone, behind a real server, with a clock that stands still. */
async function endpoint(
  requestsPerSecond?: number,
): Promise<{ readonly port: number; readonly clock: FakeClock; readonly registry: Registry }> {
  const clock = new FakeClock();
  const registry = new Registry();
  const surroundings = { clock, metrics: new GatewayMetrics(registry, gauges) } as unknown as StreamEndpointOptions['surroundings'];
  const parts = { streams: new OpenStreams(), surroundings } as unknown as StreamEndpointOptions;
  const streams = new StreamEndpoint({ ...parts, ...(requestsPerSecond === undefined ? {} : { requestsPerSecond }) });
  const server = createServer((request, response) => void streams.answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, clock, registry };
}

async function post(port: number, body: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/v1/stream`, { method: 'POST', body })).status;
}

async function counted(registry: Registry, sample: string): Promise<number> {
  return Number(new RegExp(`^${sample.replaceAll(/[{}]/g, '\\$&')} (\\d+)$`, 'm').exec(await registry.metrics())?.[1]);
}

test('requests with commands at the rate, one more, and the next when its time has come', async () => {
  const { port, clock, registry } = await endpoint(4);
  const statuses: number[] = [];
  for (let count = 0; count < 5; count++) statuses.push(await post(port, '{}'));
  clock.time += 250;
  statuses.push(await post(port, '{}'), await post(port, '{}'));
  expect(statuses).toEqual([400, 400, 400, 400, 503, 400, 503]);
  const limited = 'barrage_gateway_stream_requests_total{request="commands",result="limited"}';
  expect(await counted(registry, limited)).toBe(2);
});

test('bodies under way take so many bytes together, and one byte more is refused', async () => {
  const { port, registry } = await endpoint();
  const bytes = limits.streamBodyBytesMax;
  const many = limits.streamBodiesBytesMax / bytes;
  const sockets: Socket[] = [];
  for (let count = 0; count < many; count++) {
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    sockets.push(socket);
    socket.write(`POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes - 1)}`);
  }
  await until(async () => (await counted(registry, 'barrage_gateway_stream_body_bytes')) === many * (bytes - 1), 20);
  // One byte is left for each of them.
  expect(await post(port, 'x'.repeat(many))).toBe(400);
  expect(await post(port, 'x'.repeat(many + 1))).toBe(503);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await counted(registry, 'barrage_gateway_stream_body_bytes')) === 0, 20);
});
