import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { buildProductImage, type ProductImage } from '../../release/image/product.ts';
import { neutralEnvironment } from '../support/environment.ts';

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

let folder: string;
let image: ProductImage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'barrage-images-'));
  image = await buildProductImage({ path: join(folder, 'image.tar') });
}, 240_000);

afterAll(() => rm(folder, { recursive: true }));

function entry(path: string, archive = join(folder, 'image.tar')): Buffer {
  return spawnSync('tar', ['-xOf', archive, path], { maxBuffer: 256 << 20 }).stdout;
}

function document<Content>(digest: string): Content {
  return JSON.parse(entry(`blobs/sha256/${digest.replace('sha256:', '')}`).toString()) as Content;
}

test('the archive is an OCI layout in which every digest and size is right, and what docker load reads names the same', () => {
  expect(JSON.parse(entry('oci-layout').toString())).toEqual({ imageLayoutVersion: '1.0.0' });
  const [described] = (JSON.parse(entry('index.json').toString()) as { manifests: readonly Descriptor[] }).manifests;
  expect(described?.digest).toBe(image.digest);
  expect(described?.annotations?.['io.containerd.image.name']).toBe(`docker.io/library/barrage:${image.source.version}`);
  const manifest = document<{ readonly config: Descriptor; readonly layers: readonly Descriptor[] }>(image.digest);
  for (const { digest, size } of [described, manifest.config, ...manifest.layers].filter((one) => one !== undefined)) {
    const bytes = entry(`blobs/sha256/${digest.replace('sha256:', '')}`);
    expect(bytes.length).toBe(size);
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest);
  }
  const blob = ({ digest }: Descriptor): string => digest.replace('sha256:', 'blobs/sha256/');
  expect(JSON.parse(entry('manifest.json').toString())).toEqual([
    { Config: blob(manifest.config), RepoTags: [image.name], Layers: manifest.layers.map(blob) },
  ]);
  const config = document<{
    readonly architecture: string;
    readonly config: object;
    readonly rootfs: { readonly diff_ids: readonly string[] };
  }>(manifest.config.digest);
  expect(config.rootfs.diff_ids).toEqual(image.layers.map(({ diffId }) => `sha256:${diffId}`));
  expect(config).toMatchObject({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    config: {
      User: '10001:10001',
      WorkingDir: '/app',
      Entrypoint: ['/app/entrypoint.sh'],
      Labels: {
        'org.opencontainers.image.version': image.source.version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
        'org.opencontainers.image.revision': expect.stringMatching(/^[\da-f]{40}(?:-dirty)?$/),
      },
    },
  });
});

test('the image holds Node, a shell, libraries and the product: no other program, and nothing that gives rights', () => {
  const lines = image.layers.flatMap(({ digest }) => {
    const { stdout } = spawnSync('tar', ['-tzv'], { input: entry(`blobs/sha256/${digest}`), maxBuffer: 64 << 20 });
    return stdout.toString().trimEnd().split('\n');
  });
  expect(lines.filter((line) => !/^\S+ 0\/0 /.test(line))).toEqual([]);
  expect(lines.filter((line) => /^.{2,9}[sS]/.test(line.slice(0, 10)))).toEqual([]);
  // Only /tmp is for everybody.
  expect(lines.filter((line) => line[8] === 'w').map((line) => line.split(' ').at(-1))).toEqual(['./tmp/']);
  const programs = lines.filter((line) => /^-\S*x/.test(line) && !/\.so[.\d]*$/.test(line)).map((line) => line.split(' ').at(-1) ?? '');
  expect(programs.toSorted()).toEqual(['./app/entrypoint.sh', './bin/sh', './usr/local/bin/node']);
  expect(lines.filter((line) => /node_modules|\/npm|\.map$|\.test\./.test(line))).toEqual([]);
  for (const file of ['./app/LICENSE', './app/THIRD-PARTY-LICENSES', './etc/passwd']) expect(lines.join('\n')).toContain(` ${file}`);
  const compressed = image.layers.reduce((sum, { size }) => sum + size, 0);
  expect(compressed / 2 ** 20).toBeLessThan(60);
});

test('a second build, of everything and by somebody with another umask, gives the same bytes', async () => {
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  const again = await buildProductImage({ path: join(folder, 'again.tar'), layersFolder: join(folder, 'layers') });
  expect(again.digest).toBe(image.digest);
  expect(again.layers.map(({ digest }) => digest)).toEqual(image.layers.map(({ digest }) => digest));
  expect(readFileSync(join(folder, 'again.tar')).equals(readFileSync(join(folder, 'image.tar')))).toBe(true);
}, 240_000);

test('the product is up in less than a second of CPU, by compiled code that it finds wherever the image is unpacked', async () => {
  const place = join(folder, 'elsewhere');
  await mkdir(place);
  const [, application] = image.layers;
  const { status } = spawnSync('tar', ['-xzf', '-', '-C', place, '--strip-components=2', './app'], {
    input: entry(`blobs/sha256/${application?.digest}`),
  });
  expect(status).toBe(0);
  const environment = {
    ...neutralEnvironment(),
    NODE_COMPILE_CACHE: join(place, 'compile-cache'),
    NODE_COMPILE_CACHE_PORTABLE: '1',
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_DRAIN_MS: '0',
  };
  const start = async (variables: Readonly<Record<string, string>>): Promise<{ readonly cpuMs: number; readonly said: string }> => {
    const child = spawn(process.execPath, ['--max-semi-space-size=4', join(place, 'standalone.js')], {
      env: { ...environment, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => said, { timeout: 30_000 }).toContain('Ctrl-C ends it.');
    const [, times = ''] = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ');
    const [userTicks = 0, systemTicks = 0] = times.split(' ').slice(11, 13).map(Number);
    // A process that answers also listens for signals.
    const [, port] = /ws:\/\/localhost:(\d+)/.exec(said) ?? [];
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
    const ended = new Promise((resolve) => void child.once('close', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    return { cpuMs: (userTicks + systemTicks) * 10, said };
  };
  const told = await start({ NODE_DEBUG_NATIVE: 'COMPILE_CACHE' });
  expect(told.said.match(/V8 code cache for ESM \S+ was accepted/g)?.length).toBeGreaterThan(5);
  expect(told.said).not.toMatch(/V8 code cache for ESM \S+ was (?:not initialized|rejected)/);
  const starts = [];
  for (let run = 0; run < 5; run++) starts.push((await start({})).cpuMs);
  const median = starts.toSorted((one, other) => one - other)[2];
  console.log(`starts of the all-in-one process: ${starts.join(', ')} ms of CPU`);
  expect(median).toBeLessThan(1000);
}, 120_000);
