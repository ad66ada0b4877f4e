import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildBackend } from '../../backend/build.ts';
import { neutralEnvironment } from './environment.ts';
import { installedOnce } from './installed-once.ts';

/** Of what the package is made, besides `backend/`. */
const others = ['core/backoff.ts', 'package.json', 'tsconfig.json'];

/** A folder with the packed `@barrage-live/backend` installed, and nothing else: once for each state of its sources. */
export async function installedBackend(): Promise<string> {
  const names = (await readdir('backend')).map((name) => join('backend', name)).toSorted();
  const hash = createHash('sha256');
  for (const name of [...names, ...others]) hash.update(`${name}\0`).update(await readFile(name));
  return installedOnce(`backend-package-${hash.digest('hex').slice(0, 16)}`, async (folder) => {
    const built = join(folder, 'built');
    await buildBackend(built);
    const { stdout } = await npm(folder, 'pack', '--json', built);
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { readonly filename: string }>);
    await rm(built, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
    await npm(folder, 'install', '--offline', '--no-audit', '--no-fund', `./${packed?.filename}`);
  });
}

function npm(folder: string, ...args: readonly string[]): Promise<{ readonly stdout: string }> {
  return promisify(execFile)('npm', args, { cwd: folder, env: neutralEnvironment() });
}
