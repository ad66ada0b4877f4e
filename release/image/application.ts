import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { build as bundle, type Metafile, type Plugin } from 'esbuild';
import { buildSite } from '../../client/demo/site.ts';
import { browserFiles } from '../../client/package/bundles.ts';
import { nodePackage } from './base.ts';
import { runProgram } from './layer.ts';
import { bundledPackages, licenceText, type BundledPackage } from './packages.ts';

const repository = join(import.meta.dirname, '../..');

/** The commands of the image, each with the file that it runs. `entrypoint.sh` names the bundles. */
export const commands: Readonly<Record<string, string>> = {
  gateway: 'gateway/main.ts',
  publisher: 'publisher/main.ts',
  operator: 'operator/main.ts',
  standalone: 'standalone/main.ts',
  trial: 'client/trial/main.ts',
};

/** Scripts that run in threads of their own. */
export const workers: readonly string[] = [
  'core/process/policy-text-worker.ts',
  'core/process/pool-offer-worker.ts',
  'ops/strip-worker.ts',
];

/** Files that the processes read from beside their sources; they keep their places. */
export const readAtRunTime: readonly string[] = [
  'core/redis/append.lua',
  'core/redis/history.lua',
  'core/redis/lease.lua',
  'core/redis/position.lua',
  'core/redis/release.lua',
  'ops/page',
  'ops/view',
];

/** Packages of which only the demo's pages have code. */
export const packagesOfPages: readonly string[] = ['danmaku'];

/** What the application's folder holds of others' work. */
export interface Application {
  readonly packages: readonly BundledPackage[];
}

/**
 * Writes everything that the image has under `/app`, but for Node: one bundle for each command, with shared chunks, the
 * workers, the files that are read at run time, the demo's pages, and the licences. The same sources give the same
 * bytes.
 * @throws Error when a source does not compile, or reads a file that is not listed here
 */
export async function buildApplication(folder: string): Promise<Application> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { metafile } = await bundle({
    absWorkingDir: repository,
    entryPoints: { ...commands, ...Object.fromEntries(workers.map((path) => [bundleName(path), path])) },
    outdir: folder,
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    // Stack traces name functions and lines of a readable file.
    minify: false,
    legalComments: 'none',
    logLevel: 'error',
    metafile: true,
    // Parts of `ws` for which the product has no use.
    external: ['bufferutil', 'utf-8-validate'],
    // For packages in CommonJS.
    banner: { js: "import { createRequire as createRequireOf } from 'node:module';\nconst require = createRequireOf(import.meta.url);" },
    plugins: [oneFolder],
  });
  // Else Node would have to find out, by compiling each bundle as CommonJS first.
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  for (const path of readAtRunTime) copy(join(repository, path), join(folder, path));
  copy(join(repository, 'LICENSE'), join(folder, 'LICENSE'));
  copy(join(repository, 'entrypoint.sh'), join(folder, 'entrypoint.sh'));
  chmodSync(join(folder, 'entrypoint.sh'), 0o755);
  await writeSite(join(folder, 'standalone/site'));
  await writeClient(join(folder, 'dist/client'));
  const packages = bundledPackages(repository, [
    ...inputsOf(metafile),
    ...packagesOfPages.map((name) => `node_modules/${name}/package.json`),
  ]);
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES'), licenceText(packages));
  warmCompileCache(folder);
  return { packages };
}

/** A command of `entrypoint.sh`: its bundle, and the options of Node that it runs with. */
export interface EntryPoint {
  readonly command: string;
  readonly options: readonly string[];
}

/** The commands that a text of `entrypoint.sh` runs. */
export function readEntryPoints(text: string): readonly EntryPoint[] {
  return [...text.matchAll(/exec node (?:(--.*) )?\/app\/(\w+)\.js "\$@"/g)].map(([, options = '', command = '']) => ({
    command,
    options: options.split(' ').filter((option) => option !== ''),
  }));
}

/**
 * Lets each command load all that it is made of, so that Node keeps the compiled code beside it. V8 takes such code
 * only with the same options, version and processor features; elsewhere Node compiles as without it. The seed makes the
 * kept code the same each time. The image leaves out NODE_COMPILE_CACHE_READONLY: with it Node 26 looks in a folder
 * that is named by the user's id.
 */
function warmCompileCache(folder: string): void {
  const inPlace = namespaceWith(folder);
  const place = inPlace === undefined ? folder : fixedPlace;
  const environment = {
    PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
    NODE_COMPILE_CACHE: join(place, 'compile-cache'),
    NODE_COMPILE_CACHE_PORTABLE: '1',
    NODE_ENV: 'production',
  };
  for (const { command, options } of readEntryPoints(readFileSync(join(repository, 'entrypoint.sh'), 'utf8'))) {
    const line = [...(inPlace ?? []), nodeProgram(), ...options, '--random-seed=1', join(place, `${command}.js`), '--help'];
    runProgram(line[0] ?? '', line.slice(1), { env: environment });
  }
}

/** A folder that every Debian has and in which nobody keeps a clone. */
const fixedPlace = '/media';

/**
 * The beginning of a command line that runs a program with this folder at the fixed place, in a mount namespace of its
 * own. V8 writes the paths of scripts into what it compiled, so another folder would give other bytes.
 * @returns `undefined` where namespaces are not allowed, as in `docker build`
 */
function namespaceWith(folder: string): readonly string[] | undefined {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const line = ['unshare', ...user, '--mount', 'sh', '-c', `mount --bind "$1" ${fixedPlace} && shift && exec "$@"`, 'sh', folder];
  try {
    runProgram('unshare', [...line.slice(1), 'true']);
    return line;
  } catch {
    return undefined;
  }
}

/** In the Dockerfile's first stage, where no install script ran, the Node that runs this one. */
function nodeProgram(): string {
  const { program } = nodePackage(repository);
  return existsSync(program) ? program : process.execPath;
}

/** The bundle of a worker, without its folder and ending. */
function bundleName(path: string): string {
  return basename(path, '.ts');
}

/**
 * All bundles lie in one folder, whatever folder their sources lie in. So `import.meta` of a source tells the place
 * that the source would have below the bundles' folder, and a worker's script becomes its bundle.
 */
const oneFolder: Plugin = {
  name: 'one folder',
  setup(build) {
    // The image has the pages and the SDK ready: they are built by a program that it has not.
    build.onResolve({ filter: /client\/(?:demo\/site|package\/bundles)\.ts$/ }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (path.includes('/node_modules/')) return undefined;
      const place = relative(repository, path);
      const text = readFileSync(path, 'utf8').replaceAll(
        /new URL\('(\.\/[\w-]+-worker\.ts)', import\.meta\.url\)/g,
        (_, script: string) => `new URL('./${workerBundle(join(dirname(place), script))}', import.meta.url)`,
      );
      const own = JSON.stringify(`./${place}`);
      const beside = JSON.stringify(`/${dirname(place)}`);
      return {
        loader: 'ts',
        contents: text
          .replaceAll(/(?<!worker\.js', )import\.meta\.url/g, `new URL(${own}, import.meta.url).href`)
          .replaceAll('import.meta.dirname', `(import.meta.dirname + ${beside})`),
      };
    });
  },
};

function workerBundle(script: string): string {
  if (!workers.includes(script)) throw new Error(`${script} is a worker that release/image/application.ts does not list`);
  return `${bundleName(script)}.js`;
}

/** The files whose code is in the output. */
function inputsOf(metafile: Metafile): readonly string[] {
  return [
    ...new Set(
      Object.values(metafile.outputs).flatMap(({ inputs }) =>
        Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
      ),
    ),
  ];
}

/** The demo's pages as `standalone/built-site.ts` reads them. */
async function writeSite(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const pages = [...(await buildSite())].map(([path, { contentType, body }], index) => {
    const file = `${index}-${basename(path) || 'page'}`;
    writeFileSync(join(folder, file), body);
    return { path, contentType, file };
  });
  writeFileSync(join(folder, 'site.json'), `${JSON.stringify(pages, undefined, 2)}\n`);
}

/** The SDK for pages as `gateway/script/script-files.ts` reads it. */
async function writeClient(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const { name, content } of Object.values(await browserFiles())) writeFileSync(join(folder, name), content);
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true });
}
