import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Fetching, pathOf } from '../../client/transport/fetching.ts';
import { SkippingClock } from '../support/skipping-clock.ts';

/** A server that answers when the test says so. */
async function slowServer(): Promise<{ readonly url: string; readonly waiting: ServerResponse[] }> {
  const waiting: ServerResponse[] = [];
  const server = createServer((_request, response) => waiting.push(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/live`, waiting };
}

function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 15_000, interval: 2 });
}

test('six requests are under way at once, and each further one waits for its turn', async () => {
  const { url, waiting } = await slowServer();
  const fetching = new Fetching(new SkippingClock());
  const answers = Array.from({ length: 20 }, (_, index) => fetching.fetch(pathOf(url, `/${index}`)));
  await until(() => waiting.length === 6);
  // One that comes just when a place is free must not get in besides the one that waits.
  let served = 0;
  for (const response of waiting) {
    response.end(`{"n":${served++}}`);
    if (served === 1) answers.push(fetching.fetch(pathOf(url, '/late')));
    await until(() => waiting.length === Math.min(21, served + 6));
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(waiting.length - served).toBeLessThanOrEqual(6);
    if (served === 21) break;
  }
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array.from({ length: 21 }, () => 200));
});

test('a request that gets no answer in ten seconds fails, and the end of all fails those that wait too', async () => {
  const { url, waiting } = await slowServer();
  const clock = new SkippingClock();
  const fetching = new Fetching(clock);
  const late = fetching.fetch(pathOf(url, '/late'));
  const failed = expect(late).rejects.toThrow('no answer in 10000 ms');
  await until(() => waiting.length === 1);
  clock.skip(10_000);
  await failed;
  const all = Promise.allSettled(Array.from({ length: 9 }, () => fetching.fetch(pathOf(url, '/'))));
  await until(() => waiting.length === 7);
  fetching.close();
  expect((await all).map(({ status }) => status)).toEqual(Array.from({ length: 9 }, () => 'rejected'));
  expect(waiting.length).toBe(7);
});
