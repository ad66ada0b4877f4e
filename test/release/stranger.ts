import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { until } from '../support/websocket.ts';

const run = promisify(execFile);

/** What a page of the documentation tells its reader to do. */
export interface Instructions {
  /** Code by the file's name, which begins the paragraph above it. */
  readonly files: ReadonlyMap<string, string>;
  readonly commands: readonly Command[];
}

/** A line for a shell: `NAME=VALUE program argument …`. */
export interface Command {
  readonly line: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

export function instructionsOf(page: string): Instructions {
  const files = [...page.matchAll(/^`([\w.]+)` [^\n]*\n\n```\w+\n([^]*?)^```$/gm)].map(([, name = '', code = '']) => [name, code] as const);
  const lines = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block = '']) => block.trimEnd().split('\n'));
  return { files: new Map(files), commands: lines.map(commandOf) };
}

function commandOf(line: string): Command {
  const words = line.split(' ');
  const program = words.findIndex((word) => !/^\w+=/.test(word));
  return { line, variables: variablesOf(words.slice(0, program)), args: words.slice(program) };
}

function variablesOf(words: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
}

/** What `docker run` would give a container: variables, the name of the image, and its command. */
export function containerOf({ args: [, , ...args] }: Command): {
  readonly variables: Readonly<Record<string, string>>;
  readonly image: string;
  readonly args: readonly string[];
} {
  const words: string[] = [];
  while (args[0]?.startsWith('-') === true) {
    const option = args.shift();
    if (option === '-e') words.push(args.shift() ?? '');
    if (option === '-p') args.shift();
  }
  const [image = '', ...command] = args;
  return { variables: variablesOf(words), image, args: command };
}

/** The part of an OCI image's settings that a container engine follows. */
interface ContainerSettings {
  readonly User: string;
  readonly WorkingDir: string;
  readonly Entrypoint: readonly string[];
  readonly Env: readonly string[];
}

/** An image whose layers lie unpacked in a folder. */
export class UnpackedImage {
  readonly #root: string;
  readonly #settings: ContainerSettings;
  readonly names: readonly string[];

  private constructor(root: string, settings: ContainerSettings, names: readonly string[]) {
    this.#root = root;
    this.#settings = settings;
    this.names = names;
  }

  /** Does what `docker load` does, of an archive whose layers take nothing away from each other. */
  static async load(archive: string, folder: string): Promise<UnpackedImage> {
    const read = async (path: string): Promise<unknown> => JSON.parse((await run('tar', ['-xOf', archive, path])).stdout);
    type Listed = { readonly Config: string; readonly RepoTags: readonly string[]; readonly Layers: readonly string[] };
    const [listed] = (await read('manifest.json')) as readonly [Listed];
    const { config } = (await read(listed.Config)) as { readonly config: ContainerSettings };
    const root = join(folder, 'root');
    await mkdir(root, { recursive: true });
    await run('tar', ['-xf', archive, '-C', folder, ...listed.Layers]);
    for (const layer of listed.Layers) await run('tar', ['-xzf', join(folder, layer), '-C', root]);
    return new UnpackedImage(root, config, listed.RepoTags);
  }

  /** Starts its entrypoint with nothing of this machine but the kernel and the network, as the image's user. */
  start(args: readonly string[], variables: Readonly<Record<string, string>>): Program {
    const { User, WorkingDir, Entrypoint, Env } = this.#settings;
    const [user = '', group = ''] = User.split(':');
    // Root becomes that user. Anybody else becomes it in a namespace of users.
    const as =
      process.getuid?.() === 0 ? [`--setuid=${user}`, `--setgid=${group}`] : ['--user', `--map-user=${user}`, `--map-group=${group}`];
    const line = [...as, `--root=${this.#root}`, `--wd=${WorkingDir}`, ...Entrypoint, ...args];
    return new Program('unshare', line, { env: { ...variablesOf(Env), ...variables } });
  }
}

/** A program that a stranger starts in a terminal. It does not outlive the test. */
export class Program {
  readonly #child: ChildProcess;
  said = '';

  constructor(
    program: string,
    args: readonly string[],
    options: { readonly cwd?: string; readonly env: Readonly<Record<string, string>> },
  ) {
    this.#child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.said += chunk.toString();
      });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  /** Waits for words, and returns what the groups matched. @throws Error with all that it said, where it ended first */
  async says(words: RegExp): Promise<readonly string[]> {
    await until(() => words.test(this.said) || this.#child.exitCode !== null, 30);
    const match = words.exec(this.said);
    if (match === null) throw new Error(`it ended: ${this.said}`);
    return match.slice(1);
  }

  /** Ends it as Ctrl-C does. */
  async interrupt(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    await ended;
  }
}

/** Puts a release's files into a stranger's folder, as a download does. */
export async function download(release: string, names: readonly string[], folder: string): Promise<void> {
  for (const name of names) await copyFile(join(release, name), join(folder, basename(name)));
}

/** Writes files as an editor does, with the ports that are free here in place of the documented ones. */
export async function type(files: ReadonlyMap<string, string>, folder: string, ports: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, code] of files) {
    let text = code;
    for (const [documented, free] of ports) text = text.replaceAll(documented, free);
    await writeFile(join(folder, name), text);
  }
}

/** Seconds of CPU of this process, of everything that it runs, and of what has ended. */
export function cpuSeconds(): number {
  const processes = readdirSync('/proc').flatMap((pid) => (/^\d+$/.test(pid) ? timesOf(pid) : []));
  const sum = (pid: number): number => {
    const children = processes.filter(({ parent }) => parent === pid);
    const own = processes.find((each) => each.pid === pid)?.ticks ?? 0;
    return children.reduce((ticks, child) => ticks + sum(child.pid), own);
  };
  return sum(process.pid) / 100;
}

function timesOf(pid: string): readonly { readonly pid: number; readonly parent: number; readonly ticks: number }[] {
  try {
    // After the name: state, parent, … and from the twelfth on user, system, and both of the children that have ended.
    const [, parent, ...rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    const ticks = rest.slice(9, 13).reduce((total, each) => total + Number(each), 0);
    return [{ pid: Number(pid), parent: Number(parent), ticks }];
  } catch {
    return []; // It has ended meanwhile.
  }
}
