import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** A third is for the other transports. A client that needs them may be on a network that loads nothing more. */
const gzipBytesMax = 20 * 1024;

test('the client is at most 20 KB minified and compressed, and needs nothing that a browser lacks', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: ['client/barrage.ts'],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    metafile: true,
    write: false,
  });
  const [bundle] = outputFiles;
  expect(gzipSync(bundle?.contents ?? '', { level: 9 }).length).toBeLessThanOrEqual(gzipBytesMax);
  expect(bundle?.contents.length).toBeGreaterThan(1000);
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((path) => !/^(client|core)\//.test(path))).toEqual([]);
});
