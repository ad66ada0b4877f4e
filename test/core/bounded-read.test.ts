import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BytesInFlight, readAnswer, readChunks, readTextFile } from '../../core/process/bounded-read.ts';

/** Pieces of 100 bytes without end; `onPiece` hears of each that was asked for. */
async function* endless(onPiece: () => void): AsyncGenerator<Buffer> {
  for (;;) {
    onPiece();
    yield Buffer.alloc(100, 'x');
  }
}

async function* pieces(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function temporaryFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-read-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'file');
  await writeFile(path, text);
  return path;
}

test('bytes are read up to the bound, and one more is too many', async () => {
  expect(await readChunks(pieces('ab', '', 'cde'), 5)).toEqual({ kind: 'whole', bytes: Buffer.from('abcde') });
  expect(await readChunks(pieces('ab', 'cdef'), 5)).toEqual({ kind: 'too-large' });
  expect(await readChunks(pieces(), 5)).toEqual({ kind: 'whole', bytes: Buffer.alloc(0) });
});

test('what has no end is given up at the bound, and not read on', async () => {
  let pieceCount = 0;
  const source = endless(() => pieceCount++);
  expect(await readChunks(source, 1_000)).toEqual({ kind: 'too-large' });
  expect(pieceCount).toBe(11);
  expect((await source.next()).done).toBe(true);
});

test('an answer that is too large is cancelled', async () => {
  let isCancelled = false;
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(100)),
    cancel: () => void (isCancelled = true),
  });
  expect(await readAnswer(new Response(body), 1_000)).toEqual({ kind: 'too-large' });
  expect(isCancelled).toBe(true);
  expect(await readAnswer(new Response('abc'), 3)).toEqual({ kind: 'whole', bytes: Buffer.from('abc') });
  expect(await readAnswer(new Response(undefined), 3)).toEqual({ kind: 'whole', bytes: Buffer.alloc(0) });
});

test('a file is read up to the bound; a longer one, what is no file and what is no text are refused in words', async () => {
  const path = await temporaryFile('héllo');
  expect(await readTextFile(path, 6)).toBe('héllo');
  await appendFile(path, '!');
  await expect(readTextFile(path, 6)).rejects.toThrow('it is larger than 6 bytes');
  await writeFile(path, Buffer.from([0xff]));
  await expect(readTextFile(path, 6)).rejects.toThrow('it is not UTF-8');
  await expect(readTextFile(tmpdir(), 6)).rejects.toThrow('it is not a file');
  await expect(readTextFile(join(path, 'nothing'), 6)).rejects.toThrow("it can't be read: ENOTDIR");
});

test('bytes of all bodies are bounded together', () => {
  const inFlight = new BytesInFlight(10);
  expect([inFlight.enter(6), inFlight.enter(5), inFlight.enter(4)]).toEqual(['entered', 'full', 'entered']);
  inFlight.leave(6);
  expect([inFlight.bytes, inFlight.enter(6), inFlight.enter(1)]).toEqual([4, 'entered', 'full']);
  expect(() => inFlight.leave(11)).toThrow('more bytes left than entered');
});
