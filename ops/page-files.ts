import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { helpPage } from './view/help.ts';

/** One file of the page as it is served. */
export interface PageFile {
  readonly contentType: string;
  readonly body: Buffer;
  readonly etag: string;
}

const folder = new URL('./', import.meta.url);
const script = 'text/javascript; charset=utf-8';
const markup = 'text/html; charset=utf-8';
/** Longest time for taking the types out of the scripts, in milliseconds. */
const stripMsMax = 10_000;

let read: Promise<ReadonlyMap<string, PageFile>> | undefined;

/**
 * The files of the operations page by their path. They are read at the first request, once for each process. The
 * scripts are the modules of `ops/page` and `ops/view` without their types, as Node itself would run them: no build
 * step, and no package.
 * @throws Error when a file is missing
 */
export function pageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  // A failure is not kept: the next request tries again.
  read ??= readFiles().catch((error: unknown) => {
    read = undefined;
    throw error;
  });
  return read;
}

async function readFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const text = (name: string): Promise<string> => readFile(new URL(name, folder), 'utf8');
  const names = (await Promise.all(['page', 'view'].map((part) => modulesIn(part)))).flat();
  const [scripts, page, style, icon] = await Promise.all([
    stripped(names),
    text('page/ops.html'),
    text('page/ops.css'),
    text('page/icon.svg'),
  ]);
  return new Map([
    ['/ops', file(markup, page)],
    ['/ops/help', file(markup, helpPage())],
    ['/ops/page/ops.css', file('text/css; charset=utf-8', style)],
    ['/ops/page/icon.svg', file('image/svg+xml', icon)],
    ...names.map((name, index) => [`/ops/${name}`, file(script, scripts[index] ?? '')] as const),
  ]);
}

async function modulesIn(part: string): Promise<readonly string[]> {
  return (await readdir(new URL(`${part}/`, folder))).filter((name) => name.endsWith('.ts')).map((name) => `${part}/${name}`);
}

/** The warning about an experimental feature stays in the worker: it would be no line of the log. */
function stripped(names: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const paths = names.map((name) => fileURLToPath(new URL(name, folder)));
    const worker = new Worker(new URL('./strip-worker.ts', import.meta.url), {
      workerData: paths,
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    const deadline = setTimeout(() => reject(new Error('the scripts of the operations page could not be read in time')), stripMsMax);
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', () => {
      clearTimeout(deadline);
      reject(new Error('the scripts of the operations page could not be read'));
    });
    worker.unref();
  });
}

function file(contentType: string, text: string): PageFile {
  const body = Buffer.from(text);
  return { contentType, body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}
