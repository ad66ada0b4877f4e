import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { spareSocketsMax } from '../../core/process/socket-bound.ts';
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
