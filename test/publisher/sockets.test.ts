import { once } from 'node:events';
import { maxHeaderSize } from 'node:http';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { spareSocketsMax } from '../../core/process/socket-bound.ts';
import { readToEnd } from '../support/raw-socket.ts';
import { Rig } from './rig.ts';

test('sockets are bounded: beyond, each gets one answer, and the quietest is closed; one with a request under way stays', async () => {
  await using rig = await Rig.start({ socketsMax: 2 });
  const busy = await rig.raw();
  busy.write('POST /v1/mesh/publish HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 18\r\n\r\n{"c":');
  const sockets: Socket[] = [];
  for (let index = 0; index < 1 + spareSocketsMax; index++) sockets.push(await rig.raw());
  expect((await rig.publish({ c: 'a', d: '' })).headers.connection).toBe('close');
  await expect.poll(() => rig.metric('barrage_publisher_sockets')).toBe(1 + spareSocketsMax);
  expect(await rig.metric('barrage_publisher_sockets_closed_total')).toBe(1);
  for (let index = 0; index < 2; index++) await rig.raw();
  await expect.poll(() => sockets.filter(({ closed }) => closed).length).toBe(2);
  expect(await rig.metric('barrage_publisher_sockets')).toBe(2 + spareSocketsMax);
  busy.write('"a","d":"x"}\n');
  const [answer] = (await once(busy, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
});

test.each([
  ['no HTTP', 'hello\r\n\r\n', 400, 'this is no request of HTTP/1.1'],
  ['two lengths', 'POST /v1/mesh/publish HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400, 'this is no request'],
  [
    'headers beyond their bound',
    `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(maxHeaderSize)}\r\n\r\n`,
    431,
    `may have ${maxHeaderSize} bytes`,
  ],
  [
    'an unknown expectation',
    'GET / HTTP/1.1\r\nhost: a\r\nexpect: cake\r\n\r\n',
    417,
    'Expect: only 100-continue is known here, and not "cake"',
  ],
])('%s is refused in the form of the API, with what to do', async (_, request, status, words) => {
  await using rig = await Rig.start();
  const socket = await rig.raw();
  socket.write(request);
  const [head = '', body = ''] = (await readToEnd(socket)).toString().split('\r\n\r\n');
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [A-Z][\\s\\S]*content-type: application/json`, 'i'));
  expect(JSON.parse(body)).toEqual({ E: { c: 101, m: expect.stringContaining(words) } });
});
