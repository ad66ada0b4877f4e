import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where programs are built and results written, below the repository's root. */
export const benchFolder = join(import.meta.dirname, '../../.cache/bench');

export type Build =
  | { readonly kind: 'built'; readonly sink: string; readonly floor: string }
  | { readonly kind: 'not-built'; readonly reason: string };

/** Compiles `sink.c` and `floor.c` with the machine's C compiler. */
export function buildPrograms(): Build {
  const compiler = ['cc', 'gcc', 'clang'].find((name) => runs(name, ['--version']));
  if (compiler === undefined) return { kind: 'not-built', reason: 'there is no C compiler. Install one: apt-get install gcc libc6-dev' };
  mkdirSync(benchFolder, { recursive: true });
  for (const name of ['sink', 'floor']) {
    const source = join(import.meta.dirname, `${name}.c`);
    const { status, stderr } = spawnSync(compiler, ['-O2', '-Wall', '-Wextra', '-o', join(benchFolder, name), source], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    if (status !== 0) return { kind: 'not-built', reason: `${compiler} did not compile ${name}.c: ${stderr}` };
  }
  return { kind: 'built', sink: join(benchFolder, 'sink'), floor: join(benchFolder, 'floor') };
}

/** Keeps this process on CPU 1, out of the server's way; `false` where processes can't be pinned to CPU 0 and CPU 1. */
export function pinHarness(): boolean {
  return runs('taskset', ['-c', '0', 'true']) && runs('taskset', ['-acp', '1', String(process.pid)]);
}

function runs(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
}
