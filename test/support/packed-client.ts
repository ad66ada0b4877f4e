import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildPackage } from '../../client/package/build.ts';
import { neutralEnvironment } from './environment.ts';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../..');

/** A folder outside of the repository, in which the packed client is installed. */
export interface ClientFolder extends AsyncDisposable {
  readonly path: string;
  /** Names of the files in the package. */
  readonly packed: readonly string[];
}

/** Builds, packs and installs `@barrage-live/client`, without a registry. @throws Error with npm's own words */
export async function installPackedClient(): Promise<ClientFolder> {
  const path = await mkdtemp(join(tmpdir(), 'barrage-client-'));
  const options = { cwd: path, env: neutralEnvironment() };
  await buildPackage(join(path, 'built'));
  const { stdout } = await run('npm', ['pack', './built', '--json'], options);
  const answer = JSON.parse(stdout) as PackAnswer | Readonly<Record<string, PackAnswer[number]>>;
  const [made] = Object.values(answer) as PackAnswer;
  await writeFile(join(path, 'package.json'), '{ "private": true, "type": "module" }\n');
  await run('npm', ['install', `./${made?.filename}`, '--offline', '--no-audit', '--no-fund'], options);
  await rm(join(path, 'built'), { recursive: true });
  return {
    path,
    packed: (made?.files ?? []).map((file) => file.path),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

type PackAnswer = readonly { readonly filename: string; readonly files: readonly { readonly path: string }[] }[];

/** Lets programs in a folder import a package of the repository. */
export async function linkPackage(folder: string, name: string): Promise<void> {
  await symlink(join(repository, 'node_modules', name), join(folder, 'node_modules', name));
}
