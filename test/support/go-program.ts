import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { neutralEnvironment } from './environment.ts';
import { installedOnce } from './installed-once.ts';

/** Those of `test/cluster/build.sh`: Go compiles its own library once for both. */
const flags = ['-trimpath', '-buildvcs=false', '-gcflags', 'all=-l -dwarf=false', '-ldflags', '-s -w'];

/**
 * The program of a Go module in this repository, built once for each state of its sources.
 * @throws Error with Go's own words; where there is no Go, it says how to get it
 */
export async function goProgram(module: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of globSync(join(module, '*')).toSorted()) hash.update(`${path}\0`).update(await readFile(path));
  const folder = await installedOnce(`go-${hash.digest('hex').slice(0, 16)}`, async (into) => {
    const env = { ...neutralEnvironment(), PATH: [process.env['PATH'], '/usr/local/go/bin'].join(delimiter), CGO_ENABLED: '0' };
    const args = ['build', ...flags, '-o', join(into, 'program'), '.'];
    await promisify(execFile)('go', args, { cwd: module, env }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new Error('Go is needed: install it into /usr/local/go (go.dev/doc/install says how) or put it on the PATH');
    });
  });
  return join(folder, 'program');
}
