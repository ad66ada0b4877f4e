import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { neutralEnvironment } from './environment.ts';
import { installedOnce } from './installed-once.ts';

/** Older versions of Node that our packages promise to run on. */
const versions = { 20: '20.20.2', 22: '22.23.3' } as const;

/**
 * The program of an older Node, installed once. The npm package `node` has it in one package for each platform, which
 * is taken as it is.
 * @throws Error with npm's own words
 */
export async function nodeProgram(major: keyof typeof versions): Promise<string> {
  const version = versions[major];
  const prefix = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  const name = `${prefix}-${process.platform}-${process.arch}`;
  const folder = await installedOnce(`node-${version}`, async (into) => {
    // Without a package.json of its own, npm installs into a folder above that has one.
    await writeFile(join(into, 'package.json'), '{ "private": true }\n');
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--no-save', `${name}@${version}`], {
      cwd: into,
      env: neutralEnvironment(),
    });
  });
  return join(folder, 'node_modules', name, 'bin/node');
}
