import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './layer.ts';

/** What is released: the version of the root package.json, and the commit that is checked out. */
export interface Source {
  readonly version: string;
  readonly description: string;
  readonly license: string;
  /** Address of the repository; `undefined` where package.json names none. */
  readonly url: string | undefined;
  /** Address of the product for people: `homepage`, else that of the repository. */
  readonly homepage: string | undefined;
  /** Commit, in hexadecimal; `undefined` outside a clone. */
  readonly revision: string | undefined;
  /** Whether the files are those of the commit. */
  readonly isClean: boolean;
  /** Unix seconds of the commit; 0 outside a clone. */
  readonly committedAt: number;
}

/** Reads the source that lies in a folder. */
export function readSource(repository: string): Source {
  const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    readonly version: string;
    readonly description: string;
    readonly license: string;
  } & Addresses;
  const { version, description, license } = manifest;
  const git = (...args: readonly string[]): string | undefined => {
    try {
      return runProgram('git', args, { cwd: repository }).trim();
    } catch {
      return undefined;
    }
  };
  const [revision, committedAt = '0'] = git('log', '-1', '--format=%H %ct')?.split(' ') ?? [];
  const isClean = git('status', '--porcelain') === '';
  return { version, description, license, ...addressesOf(manifest), revision, isClean, committedAt: Number(committedAt) };
}

/** The addresses in a package.json, as npm writes them. */
interface Addresses {
  readonly homepage?: string;
  readonly repository?: string | { readonly url: string };
}

/** The addresses of a package.json for people: without the `git+` and `.git` of a repository. */
export function addressesOf({ homepage, repository }: Addresses): Pick<Source, 'url' | 'homepage'> {
  const cloned = typeof repository === 'string' ? repository : repository?.url;
  const url = cloned?.replace(/^git\+/, '').replace(/\.git$/, '') ?? homepage;
  return { url, homepage: homepage ?? url };
}

/** The labels of an image that follow from its source. A revision with other changes ends in `-dirty`. */
export function sourceLabels({
  version,
  revision,
  isClean,
  url,
  homepage,
}: Omit<Source, 'description' | 'license' | 'committedAt'>): Readonly<Record<string, string>> {
  return {
    'org.opencontainers.image.version': version,
    ...(revision === undefined ? {} : { 'org.opencontainers.image.revision': isClean ? revision : `${revision}-dirty` }),
    ...(url === undefined ? {} : { 'org.opencontainers.image.source': url }),
    ...(homepage === undefined ? {} : { 'org.opencontainers.image.url': homepage }),
  };
}
