import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { AdminClient } from '../../../operator/reconcile/admin-client.ts';

test("an answer without end is given up at the operator's bound, and its connection closed", async () => {
  let bytes = 0;
  const isClosed = Promise.withResolvers<void>();
  const server = createServer((_, response: ServerResponse) => {
    response.on('close', () => isClosed.resolve());
    const write = (): void => {
      while (!response.closed) {
        bytes += 65_536;
        if (!response.write(Buffer.alloc(65_536, 'x'))) return void response.once('drain', write);
      }
    };
    write();
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = new AdminClient((server.address() as AddressInfo).port);
  expect(await client.status('127.0.0.1')).toBeUndefined();
  await isClosed.promise;
  // The bound is 64 KiB; sockets and the reader hold some more.
  expect(bytes).toBeLessThan(8 * 1_048_576);
});
