import { expect, test } from 'vitest';
import { TestStandalone } from '../../support/standalone.ts';
import { TestClient, until } from '../../support/websocket.ts';

test('a connection ends closed by the gateway, left by its client, or cut by neither; each is counted once', async () => {
  const standalone = await TestStandalone.start({ BARRAGE_GATEWAY_CONNECTIONS_MAX: '50' });
  const ended = (how: string): Promise<number> => standalone.metric('barrage_gateway_connections_ended_total', `how="${how}"`);
  const open = async (): Promise<TestClient> => TestClient.open(standalone.port);
  expect(await standalone.metric('barrage_gateway_connections_max')).toBe(50);

  await (await open()).leave();
  for (let index = 0; index < 2; index++) (await open()).socket.terminate();
  const bad = await open();
  bad.send(Buffer.alloc(70_000));
  expect((await bad.closed()).code).toBe(1009);

  await until(async () => (await ended('cut')) === 2 && (await ended('closed')) === 1);
  expect(await ended('left')).toBe(1);
  expect(await standalone.metric('barrage_gateway_connections_opened_total')).toBe(4);
});
