import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from '../../../core/process/lifecycle.ts';
import { anyAddress } from '../../../operator/desired/pod-template.ts';
import { settingsTable } from '../../../core/process/settings-table.ts';

async function answers(host: string, address: string): Promise<number | string> {
  const server = createServer((_, response) => response.end('alive'));
  onTestFinished(() => void server.close());
  const port = await listen(server, { host, port: 0 });
  return fetch(`http://${address}:${port}/livez`).then(
    ({ status }) => status,
    (error: unknown) => String((error as { readonly cause?: { readonly code?: string } }).cause?.code),
  );
}

test.each([anyAddress, settingsTable.operatorHost.fallback])('%s is IPv6 and IPv4', async (host) => {
  expect(await answers(host, '[::1]')).toBe(200);
  expect(await answers(host, '127.0.0.1')).toBe(200);
});

test('an address of one family is of that family only', async () => {
  expect(await answers('0.0.0.0', '[::1]')).toBe('ECONNREFUSED');
  expect(await answers('::1', '127.0.0.1')).toBe('ECONNREFUSED');
});

/** As on a kernel without IPv6, which answers so to a socket of that family. */
test.each(['EAFNOSUPPORT', 'EADDRNOTAVAIL'])('without IPv6 (%s) every address is every IPv4 address', async (code) => {
  const server = createServer((_, response) => response.end('alive'));
  onTestFinished(() => void server.close());
  const listenReally = server.listen.bind(server) as (options: object, listener: () => void) => typeof server;
  const asked: string[] = [];
  server.listen = ((options: { readonly host: string }, listener: () => void) => {
    asked.push(options.host);
    if (options.host !== '::') return listenReally(options, listener);
    queueMicrotask(() => server.emit('error', Object.assign(new Error('listen'), { code })));
    return server;
  }) as typeof server.listen;
  const port = await listen(server, { host: '::', port: 0 });
  expect(asked).toEqual(['::', '0.0.0.0']);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
});
