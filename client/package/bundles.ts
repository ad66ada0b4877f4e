import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { rolldown, type Plugin } from 'rolldown';
import { minify } from 'rolldown/utils';
import { internalNames, shortNames } from './internal-names.ts';

/** One file of the package. */
export interface PackageFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** The client for a page without a build step: one file, and a second one that the first loads when it is needed. */
export interface BrowserFiles {
  readonly first: PackageFile;
  readonly extra: PackageFile;
}

const folder = new URL('../', import.meta.url);
const path = (name: string): string => fileURLToPath(new URL(name, folder));

/** What the files are written for. */
const target = ['es2022', 'chrome111', 'firefox113', 'safari16.4', 'node20'];

let built: Promise<BrowserFiles> | undefined;

/** `barrage.js` and its extra part, minified. Built once for each process. @throws when a source does not compile */
export function browserFiles(): Promise<BrowserFiles> {
  built ??= bundleForBrowsers();
  return built;
}

async function bundleForBrowsers(): Promise<BrowserFiles> {
  const extra = await bundle('extra.ts');
  const name = `barrage-extra-${contentHash(extra)}.js`;
  return { first: { name: 'barrage.js', content: await bundle('barrage.ts', [importOf(name)]) }, extra: { name, content: extra } };
}

/** The modules of the package for programs and bundlers, which minify. @throws when a source does not compile */
export async function modules(): Promise<readonly PackageFile[]> {
  const { outputFiles } = await build({
    entryPoints: { index: path('barrage.ts') },
    outdir: path('.'),
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    format: 'esm',
    platform: 'browser',
    target,
    charset: 'utf8',
    logLevel: 'silent',
    write: false,
  });
  return outputFiles.map((file) => ({ name: file.path.slice(file.path.lastIndexOf('/') + 1), content: file.contents }));
}

/** The beginning of the SHA-256 of a file, as it stands in names. */
export function contentHash(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('base64url').replaceAll(/[-_]/g, '').slice(0, 12);
}

async function bundle(name: string, plugins: Plugin[] = []): Promise<Uint8Array> {
  const bundled = await rolldown({ input: path(name), platform: 'browser', transform: { target }, plugins });
  const { output } = await bundled.generate({ format: 'es' });
  await bundled.close();
  const { code, errors } = await minify(name, output[0].code, {
    module: true,
    mangle: { toplevel: true },
    mangleProps: { include: new RegExp(`^(?:${internalNames.join('|')})$`), cache: shortNames },
  });
  if (errors.length > 0 || code === '') throw new Error(`${name} can't be minified: ${errors.map(String).join(', ')}`);
  return Buffer.from(code);
}

/**
 * Takes the place of `extra-import.ts`: imports the extra part from beside the file itself. A browser may remember that
 * an address could not be loaded, so each further attempt has another one.
 */
function importOf(name: string): Plugin {
  const contents = `export const extraPlace = ${JSON.stringify(`${name}, which belongs beside barrage.js,`)};
    const addressOf = (failures) => "./${name}" + (failures > 0 ? "?" + failures : "");
    // Through a function, since a bundler looks for files where it sees an address.
    export const importExtra = (failures) => import(addressOf(failures));`;
  return {
    name: 'extra-import',
    load: (id) => (id.endsWith('/extra-import.ts') ? { code: contents, moduleType: 'js' } : undefined),
  };
}
