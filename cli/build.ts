import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

/**
 * Writes the command line as one file, with all that it needs but Node: `kubectl-barrage`. A copy of it anywhere on the
 * PATH works. It is CommonJS, since Node takes a file without an ending and without a package for that.
 * @returns its path
 */
export async function buildCommandLine(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, 'kubectl-barrage');
  await build({
    entryPoints: [join(import.meta.dirname, 'main.ts')],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    minify: true,
    keepNames: true,
    legalComments: 'inline',
    logLevel: 'error',
    banner: { js: `#!/usr/bin/env node\n${await readFile(join(import.meta.dirname, 'needed-node.cjs'), 'utf8')}` },
    outfile,
  });
  // The package's own type is module.
  await writeFile(join(folder, 'package.json'), '{ "type": "commonjs" }\n');
  await chmod(outfile, 0o755);
  return outfile;
}

if (import.meta.main) await buildCommandLine('dist');
