import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { neutralEnvironment } from './environment.ts';
import { installedOnce } from './installed-once.ts';

/**
 * The Python of an environment with these requirements, installed once.
 * @param requirements path of a `requirements.txt` whose versions are all exact
 * @throws Error with pip's own words; `test/requirements.ts` installs Python itself
 */
export async function pythonProgram(requirements: string): Promise<string> {
  const wanted = await readFile(requirements);
  const name = `python-${createHash('sha256').update(wanted).digest('hex').slice(0, 16)}`;
  const run = (program: string, ...args: readonly string[]) => promisify(execFile)(program, args, { env: neutralEnvironment() });
  const folder = await installedOnce(name, async (into) => {
    await run('python3', '-m', 'venv', into);
    await run(join(into, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--requirement', requirements);
  });
  return join(folder, 'bin/python');
}
