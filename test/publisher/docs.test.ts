import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { codeBlocks } from '../docs/code-blocks.ts';
import { refusals } from '../../publisher/errors.ts';
import { Rig } from './rig.ts';

const docs = await readFile(new URL('../../docs/publish-api.md', import.meta.url), 'utf8');

test('every example of the documentation works, and its answer has the form that stands below it', async () => {
  const channels = [{ channel: 'video:1', history: { size: 100 } }];
  await using rig = await Rig.start({ channels });
  rig.gateway.counts.set('video:1', { ready: 9, full: 0 });
  rig.gateway.reply = ({ method }) =>
    method === 'delivered' ? { kind: 'delivered', delivered: 9, dropped: {}, pending: 0 } : { kind: 'done' };
  const examples = [...docs.matchAll(/```sh\n(.*?)```\n\n```json\n(.*?)```/gs)];
  expect(examples.length).toBe(docs.split('curl ').length - 1);
  let epoch: unknown;
  for (const [, command = '', documented = ''] of examples) {
    const { stdout } = await promisify(execFile)('sh', ['-c', command.replace('localhost:6789', `localhost:${rig.port}`)]);
    const answer = JSON.parse(stdout) as { r: Record<string, unknown> };
    if ('epoch' in answer.r) {
      epoch ??= answer.r['epoch'];
      expect(answer.r['epoch']).toBe(epoch);
      answer.r['epoch'] = 'k3v9x0q2';
    }
    // Each channel has its own epoch.
    for (const result of ((answer.r['results'] ?? []) as { r: { epoch: string } }[]).flat()) result.r.epoch = 'k3v9x0q2';
    for (const publication of (answer.r['publications'] ?? []) as { acceptedAt?: number }[]) publication.acceptedAt = 1_790_000_000_000;
    expect(answer).toEqual(JSON.parse(documented));
  }
});

test('the documented frame is taken, and without a bus the refusal is the documented one', async () => {
  const json = codeBlocks(docs).flatMap(({ language, code }) => (language === 'json' ? [code] : []));
  const frames = json.filter((code) => code.includes('"m": "mesh.publish"'));
  const refusals = json.filter((code) => code.includes('"published"'));
  expect([frames.length, refusals.length]).toEqual([1, 1]);
  await using rig = await Rig.start();
  const connection = await rig.connect();
  const frame = JSON.parse(frames[0] ?? '') as { readonly i: number; readonly p: object };
  expect(await connection.ask(frame)).toMatchObject({ E: null, r: { offset: 1 }, i: frame.i });
  await rig.bus.close();
  expect((await rig.publish(frame.p)).body).toEqual(JSON.parse(refusals[0] ?? ''));
});

test('the table of errors is the one of the code', () => {
  const documented = [...docs.matchAll(/^\| (\d{3}) +\| (\d{3}) +\|/gm)].map(([, code, status]) => `${code} ${status}`);
  const inCode = Object.values(refusals).map(({ code, status }) => `${code} ${status}`);
  expect(documented.toSorted()).toEqual(inCode.toSorted());
});
