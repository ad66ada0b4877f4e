import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { counted } from '../../core/counted.ts';
import { readChunks } from '../../core/process/bounded-read.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { parseComments, type ParsedComments } from './comments.ts';
import { readOptions, usage, type ReplayOptions } from './options.ts';
import { dueFrom, play, progressLine, type PlayEnd, type Progress } from './player.ts';
import { PublishTarget } from './publish.ts';
import { failureNote, screenNote, summary, viewNote } from './summary.ts';
import { Viewer } from './viewer.ts';

type Comments = Extract<ParsedComments, { kind: 'comments' }>;

/** Played where no file is named. */
const sample = fileURLToPath(new URL('../../examples/comments/concert.xml', import.meta.url));

/** Largest file, in bytes: the comments of a day of a busy channel. The whole file is held in memory. */
const fileBytesMax = 268_435_456;

/**
 * Exit statuses: 0 all comments were played, or help was asked for; 1 they could not be played; 2 the command line is
 * wrong; 130 interrupted.
 */
async function main(): Promise<number> {
  const read = readOptions(process.argv.slice(2), process.env);
  if (read.kind === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if (read.kind === 'fault') {
    process.stderr.write(`replay: ${read.reason}\n\n${usage}`);
    return 2;
  }
  const { options } = read;
  const path = options.file ?? sample;
  const file = await readFile(path);
  if (file.kind === 'fault') {
    process.stderr.write(`replay: ${path} ${file.reason}\n`);
    return 1;
  }
  const parsed = parseComments(file.bytes);
  if (parsed.kind === 'fault') {
    process.stderr.write(`replay: ${path}:${parsed.line}:${parsed.column}: ${parsed.reason}. Nothing was published.\n`);
    return 1;
  }
  if (options.file === undefined)
    process.stdout.write(`replay: the sample, ${counted(parsed.comments.length, 'comment')}, to ${options.channel}\n`);
  const { end, note } = await watched(options, () => playFile(parsed, options));
  process.stdout.write(`${summary(parsed, end)}\n${note}`);
  if (end.kind === 'failed') process.stderr.write(failureNote(options.url, end.reason));
  else process.stdout.write(screenNote(dueFrom(parsed.comments, options.fromSeconds).slice(0, end.progress.published), options.speed));
  return { finished: 0, stopped: 130, failed: 1 }[end.kind];
}

/** Plays before a viewer who counts, if there is a gateway to watch at. @returns what the viewer was given, in words */
async function watched(
  { gateway, channel }: ReplayOptions,
  playing: () => Promise<PlayEnd>,
): Promise<{ readonly end: PlayEnd; readonly note: string }> {
  if (gateway === undefined) return { end: await playing(), note: '' };
  const viewer = new Viewer(gateway, channel);
  try {
    const fault = await viewer.fault();
    const end = await playing();
    const { offset } = end.progress;
    if (offset === undefined) return { end, note: '' };
    return { end, note: viewNote(gateway.host, fault === undefined ? await viewer.viewedUpto(offset) : { fault }) };
  } finally {
    viewer.close();
  }
}

/** Reads a file or a pipe. */
async function readFile(
  path: string,
): Promise<{ readonly kind: 'whole'; readonly bytes: Buffer } | { readonly kind: 'fault'; readonly reason: string }> {
  try {
    const read = await readChunks(createReadStream(path), fileBytesMax);
    return read.kind === 'whole' ? read : { kind: 'fault', reason: `is larger than ${fileBytesMax} bytes, the most that is played` };
  } catch (error) {
    return { kind: 'fault', reason: `can't be read: ${(error as Error).message}` };
  }
}

async function playFile({ comments }: Comments, options: ReplayOptions): Promise<PlayEnd> {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const target = new PublishTarget(options);
  const line = process.stdout.isTTY ? new ProgressLine(100, '\r\u001b[K', '') : new ProgressLine(3000, '', '\n');
  try {
    return await play(comments, {
      fromSeconds: options.fromSeconds,
      speed: options.speed,
      signal: abort.signal,
      clock: systemClock,
      publish: (payload, signal) => target.publish(payload, signal),
      onProgress: (progress) => line.show(progress),
    });
  } finally {
    line.clear();
    target.close();
  }
}

/** Shows progress to a person, at most every `everyMs`: on a terminal in place, elsewhere line by line. */
class ProgressLine {
  readonly #everyMs: number;
  readonly #before: string;
  readonly #after: string;
  #shownMs = 0;

  constructor(everyMs: number, before: string, after: string) {
    this.#everyMs = everyMs;
    this.#before = before;
    this.#after = after;
  }

  show(progress: Progress): void {
    if (progress.elapsedMs - this.#shownMs < this.#everyMs) return;
    this.#shownMs = progress.elapsedMs;
    process.stdout.write(`${this.#before}${progressLine(progress)}${this.#after}`);
  }

  clear(): void {
    process.stdout.write(this.#before);
  }
}

process.exitCode = await main();
