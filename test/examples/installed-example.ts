import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { buildPackage } from '../../client/package/build.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { installedOnce } from '../support/installed-once.ts';

const run = promisify(execFile);

/** Builds, packs and unpacks the SDK, so that only what is published is there. @returns its folder, below `folder` */
export async function unpackedSdk(folder: string): Promise<string> {
  const built = join(folder, 'built');
  await buildPackage(built);
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: built, env: neutralEnvironment() });
  const [{ filename }] = JSON.parse(stdout) as [{ readonly filename: string }];
  await run('tar', ['-xzf', join(folder, basename(filename)), '-C', folder]);
  // Every package lies in a folder of this name.
  return join(folder, 'package');
}

/**
 * A copy of an example in a folder of `.cache/` that looks like a clone after `npm run build:client`: the SDK lies in
 * `dist/client`. The example's packages are installed once for each lock file; everything else is copied anew.
 * @param sdk its folder; absent for an example that does without
 * @returns the folder of the example
 */
export async function installedExample(name: string, sdk?: string): Promise<string> {
  const source = join('examples', name);
  const lock = createHash('sha256')
    .update(await readFile(join(source, 'package-lock.json')))
    .digest('hex');
  const copy = async (clone: string): Promise<void> => {
    const client = join(clone, 'dist/client');
    await rm(client, { recursive: true, force: true });
    await mkdir(join(clone, 'dist'), { recursive: true });
    if (sdk !== undefined) await cp(sdk, client, { recursive: true });
    await cp(source, join(clone, source), { recursive: true, filter: (path) => basename(path) !== 'node_modules' });
  };
  const clone = await installedOnce(`example-${name}-${lock.slice(0, 12)}`, async (folder) => {
    await copy(folder);
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: join(folder, source), env: neutralEnvironment() });
  });
  await copy(clone);
  return join(clone, source);
}
