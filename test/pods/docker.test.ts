import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { buildProductImage } from '../../release/image/product.ts';
import { DockerEngine } from '../support/docker-engine.ts';

/** What standalone may take until it serves, in milliseconds of CPU, that of the container's start included. */
const startCpuMsMax = 1_000;

test(
  'Docker loads the image of the release and runs it as docs/image.md says: pages and API outside, a key told once, an end in order',
  { timeout: 300_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-docker-image-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const { name, path } = await buildProductImage({ path: join(folder, 'image.tar') });
    const docker = await DockerEngine.start();
    expect(await docker.load(path)).toEqual([name]);

    const id = await docker.run({ image: name, command: ['standalone'], ports: [6789, 6790] });
    await expect.poll(() => docker.logs(id), { timeout: 60_000 }).toContain('Ctrl-C ends it.');
    expect(await docker.cpuMs(id)).toBeLessThan(startCpuMsMax);
    const [, key = ''] = /API key {4}(\S+)/.exec(await docker.logs(id)) ?? [];

    expect(await docker.curl('http://localhost:6790/')).toContain('<title>');
    const watching = docker.begin('curl', '--silent', '--no-buffer', 'http://localhost:6790/v1/stream?channel=video:1');
    let seen = '';
    watching.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await expect.poll(() => seen).toContain('"type":"subscribed"');
    const publish = (...more: readonly string[]): Promise<string> =>
      docker.curl(
        'http://localhost:6789/v1/mesh/publish',
        '-H',
        'content-type: application/json',
        '-d',
        '{"c":"video:1","d":"from outside"}',
        ...more,
      );
    expect(JSON.parse(await publish())).toMatchObject({ E: { c: 501 } });
    expect(JSON.parse(await publish('-H', `authorization: Bearer ${key}`))).toMatchObject({ E: null, r: { s: 1, f: 0 } });
    await expect.poll(() => seen).toContain('"data":"from outside"');

    expect(await docker.stop(id)).toBe(0);
    const lost = await docker.run({ image: name, command: ['standalon'] });
    expect(await docker.ended(lost)).toBe(2);
    expect(await docker.logs(lost)).toContain("no command 'standalon': use gateway, publisher, operator, standalone or trial");
  },
);
