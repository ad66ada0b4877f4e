import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A package of npm of which code is in the image. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, as the package says. */
  readonly license: string;
  /** The texts of its licence and notice files. */
  readonly texts: readonly string[];
}

/**
 * The packages that these files of `node_modules` come from, in the order of their names and versions.
 * @param files paths from the repository's root
 */
export function bundledPackages(repository: string, files: readonly string[]): readonly BundledPackage[] {
  const folders = new Set(files.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const packages = [...folders].map((folder) => readPackage(join(repository, folder)));
  const found = new Map(packages.map((one) => [`${one.name}@${one.version}`, one]));
  return [...found.values()].toSorted((one, other) => compare(one.name, other.name) || compare(one.version, other.version));
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function readPackage(folder: string): BundledPackage {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly license?: string | { readonly type: string };
  };
  const texts = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(?:licen[cs]e|copying|notice)/i.test(entry.name))
    .map((entry) => entry.name)
    .toSorted()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return { name, version, license: typeof license === 'string' ? license : (license?.type ?? 'NOASSERTION'), texts };
}

/** One text with the licences of all packages; those that share a text are named above it together. */
export function licenceText(packages: readonly BundledPackage[]): string {
  const byText = Map.groupBy(packages, ({ texts, license }) => texts.join('\n\n') || `License: ${license}`);
  const parts = [...byText].map(
    ([text, group]) => `${group.map(({ name, version, license }) => `${name} ${version} (${license})`).join('\n')}\n\n${text}\n`,
  );
  return ['Barrage contains code of these packages.\n', ...parts].join(`\n${'-'.repeat(80)}\n\n`);
}
