import { expect, test } from 'vitest';
import { TestProcess } from '../support/process.ts';

test('a process whose log can not be written, as on a full disk, serves, and ends when it is told to', async () => {
  const ports = { BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0', BARRAGE_LOG_LEVEL: 'debug' };
  const process = new TestProcess('standalone/main.ts', ports, ['sh', '-c', 'exec "$@" 2>/dev/full', 'sh']);
  const [gateway] = await process.said(/clients +ws:\/\/localhost:(\d+)/);
  // Each refusal is a line of the log.
  for (let each = 0; each < 50; each++) await fetch(`http://127.0.0.1:${gateway}/v1/stream?density=none`);
  expect(await (await fetch(`http://127.0.0.1:${gateway}/livez`)).text()).toContain('alive');
  process.terminate();
  expect(await process.ended()).toBe(0);
});
