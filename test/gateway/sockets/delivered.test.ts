import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { TestStandalone } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

const yaml = 'channels: [{ channel: "*", merge: { windowMilliseconds: 0 } }]';

test('each of 300 publications sent at once is answered with what became of it, also where each is a flush of its own', async () => {
  const barrage = await TestStandalone.withPolicies(yaml);
  const clients = [await barrage.v1(), await barrage.v1(), await barrage.v1()];
  for (const client of clients) await client.subscribe('video:1');
  const backend = new WebSocket(`ws://127.0.0.1:${barrage.publisherPort}/ws/v1`);
  onTestFinished(() => backend.terminate());
  await once(backend, 'open');
  const answers: { readonly r: { readonly s: number; readonly pending: number } }[] = [];
  backend.on('message', (data: Buffer) => answers.push(JSON.parse(data.toString())));
  for (let i = 0; i < 300; i++)
    backend.send(JSON.stringify({ m: 'mesh.publish', p: { c: 'video:1', d: 'x', wait: 'delivered', waitMs: 10_000 }, i }));
  await until(() => answers.length === 300);
  expect(answers.filter(({ r }) => r.s !== 3 || r.pending !== 0)).toEqual([]);
});
