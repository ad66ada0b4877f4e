import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { browserFiles, contentHash } from '../../../client/package/bundles.ts';

/**
 * Most bytes of the file that a page loads before its first connection, and of the one that is loaded when needed. A
 * gateway sends brotli to a browser that takes it: that is every browser, over https. Over plain http it is gzip. What
 * is asked of the first is 10,240 bytes.
 */
const bytesMax = { first: { brotli: 10_050, gzip: 10_950 }, extra: { brotli: 11_000, gzip: 12_100 } } as const;

test('what a page loads first is small, and so is the rest, and neither imports anything but the other', async () => {
  const { first, extra } = await browserFiles();
  // Compressed as gateways do.
  for (const [{ content }, most] of [
    [first, bytesMax.first],
    [extra, bytesMax.extra],
  ] as const) {
    expect(brotliCompressSync(content).length).toBeLessThanOrEqual(most.brotli);
    expect(gzipSync(content, { level: 9 }).length).toBeLessThanOrEqual(most.gzip);
  }
  const [firstText, extraText] = [first, extra].map(({ content }) => Buffer.from(content).toString()) as [string, string];
  // Each is one file: but for the one import of the second, which has a name with its hash.
  expect(firstText.match(/\bimport\b/g)).toEqual(['import']);
  expect(firstText.includes(`./${extra.name}`)).toBe(true);
  expect(/\bimport\b/.test(extraText)).toBe(false);
  expect(extra.name).toBe(`barrage-extra-${contentHash(extra.content)}.js`);
  // Tokens, publishing, questions, moves, transports, `delay` and `getState` are in the second.
  expect(firstText.includes('/v1/connect')).toBe(true);
  for (const words of [
    '/v1/stream',
    'segments/',
    'gave no state',
    'is not encrypted',
    'did not say where',
    'the token could not',
    'publish takes',
  ])
    expect([words, firstText.includes(words), extraText.includes(words)]).toEqual([words, false, true]);
});
