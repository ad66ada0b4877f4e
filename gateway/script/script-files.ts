import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** A file in one coding. */
export interface CodedFile {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** A file of the SDK, as it is served: in every coding, made once. */
export interface ScriptFile {
  readonly codings: { readonly identity: CodedFile; readonly gzip: CodedFile; readonly br: CodedFile };
  /** For the `integrity` of a page. */
  readonly integrity: string;
  /** The address that has these bytes for ever. */
  readonly address: string;
}

/** The files of the SDK for browsers, by path. `/barrage.js` is there twice: also at its own `address`. */
export type ScriptFiles = ReadonlyMap<string, ScriptFile>;

const built = join(import.meta.dirname, '../../dist/client');
const firstName = 'barrage.js';
const isExtra = /^barrage-extra-\w+\.js$/;

interface NamedContent {
  readonly name: string;
  readonly content: Uint8Array;
}

/**
 * The files of the SDK, compressed. From a checkout they are made of its sources, so that they are never older. Where
 * the build tool is not installed, as in the image, they are those that `npm run build:client` has written.
 * @param build makes them of the sources; `undefined` where it can't
 * @returns `undefined` where there are none
 */
export async function readScriptFiles(folder = built, build = fromSources): Promise<ScriptFiles | undefined> {
  const contents = (await build()) ?? (await fromFolder(folder));
  if (contents === undefined) return undefined;
  const entries = await Promise.all(
    contents.map(async (content) => {
      const file = await encode(content);
      const paths = content.name === firstName ? [`/${firstName}`, file.address] : [file.address];
      return paths.map((path) => [path, file] as const);
    }),
  );
  return new Map(entries.flat());
}

async function fromSources(): Promise<readonly NamedContent[] | undefined> {
  try {
    const { browserFiles } = await import('../../client/package/bundles.ts');
    const { first, extra } = await browserFiles();
    return [first, extra];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return undefined;
  }
}

async function fromFolder(folder: string): Promise<readonly NamedContent[] | undefined> {
  try {
    const names = (await readdir(folder)).filter((name) => name === firstName || isExtra.test(name));
    if (!names.includes(firstName)) return undefined;
    return await Promise.all(names.map(async (name) => ({ name, content: await readFile(join(folder, name)) })));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

async function encode({ name, content }: NamedContent): Promise<ScriptFile> {
  const hash = createHash('sha256').update(content).digest('base64url').slice(0, 22);
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  const [gzipped, brotli] = await Promise.all([
    promisify(gzip)(content, { level: constants.Z_BEST_COMPRESSION }),
    promisify(brotliCompress)(content, quality),
  ]);
  return {
    codings: {
      identity: { bytes: Buffer.from(content), etag: `"${hash}"` },
      gzip: { bytes: gzipped, etag: `"${hash}-gzip"` },
      br: { bytes: brotli, etag: `"${hash}-br"` },
    },
    integrity: `sha384-${createHash('sha384').update(content).digest('base64')}`,
    // The name of the extra part has its hash already.
    address: name === firstName ? `/barrage.${hash.replaceAll(/[-_]/g, '').slice(0, 12)}.js` : `/${name}`,
  };
}
