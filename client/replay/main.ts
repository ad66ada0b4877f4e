import { createReadStream } from 'node:fs';
import { readChunks } from '../../core/process/bounded-read.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { parseComments, type ParsedComments } from './comments.ts';
import { readOptions, usage, type ReplayOptions } from './options.ts';
import { play, progressLine, type PlayEnd, type Progress } from './player.ts';
import { PublishTarget } from './publish.ts';

type Comments = Extract<ParsedComments, { kind: 'comments' }>;

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
  const file = await readFile(options.file);
  if (file.kind === 'fault') {
    process.stderr.write(`replay: ${options.file} ${file.reason}\n`);
    return 1;
  }
  const parsed = parseComments(file.bytes);
  if (parsed.kind === 'fault') {
    process.stderr.write(`replay: ${options.file}:${parsed.line}:${parsed.column}: ${parsed.reason}. Nothing was published.\n`);
    return 1;
  }
  const end = await playFile(parsed, options);
  process.stdout.write(`${summary(parsed, end)}\n`);
  if (end.kind === 'failed') process.stderr.write(`replay: ${options.url.origin}: ${end.reason}\n`);
  return { finished: 0, stopped: 130, failed: 1 }[end.kind];
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

function summary({ leftOut, colourless, controls }: Comments, { kind, progress }: PlayEnd): string {
  const notes = [
    `in ${(progress.elapsedMs / 1000).toFixed(1)} s`,
    leftOut.positioned > 0 ? `left out ${leftOut.positioned} with a position or code of their own` : '',
    leftOut.unknownMode > 0 ? `left out ${leftOut.unknownMode} of an unknown mode` : '',
    leftOut.empty > 0 ? `left out ${leftOut.empty} without text` : '',
    leftOut.untimed > 0 ? `left out ${leftOut.untimed} without a time` : '',
    leftOut.broken > 0 ? `left out ${leftOut.broken} that are cut off or can't be read` : '',
    colourless > 0 ? `in the file ${colourless} have no readable colour and are white` : '',
    controls > 0 ? `${controls} control characters became spaces` : '',
  ].filter((note) => note !== '');
  return `${kind}: ${progressLine(progress)}; ${notes.join('; ')}`;
}

process.exitCode = await main();
