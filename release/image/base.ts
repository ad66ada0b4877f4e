import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { keptLayer, runProgram, type Layer } from './layer.ts';

/** A package of Debian of which files are in the base. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
}

/** The lowest layer of an image: a program, the shared libraries that it is linked with, and what they need. */
export interface Base {
  readonly layer: Layer;
  readonly packages: readonly DebianPackage[];
}

const users = `root:x:0:0:root:/:/bin/sh
barrage:x:10001:10001:barrage:/app:/bin/sh
`;
const groups = `root:x:0:
barrage:x:10001:
`;

/** Programs of a base, by their path in it. */
export type Programs = Readonly<Record<string, { readonly from: string; readonly isStripped?: true }>>;

/**
 * Makes a base of programs of this machine: no package manager, no compiler and no shell but those that are named.
 * Where the machine is Debian, the packages that the files come from are noted as scanners look for them
 * (`/var/lib/dpkg/status.d`), with their copyrights.
 * @param kept where the layer is kept from run to run, and its name there
 * @throws Error when a program is missing
 */
export function buildBase(kept: { readonly folder: string; readonly name: string }, programs: Programs): Base {
  const files = new Map(Object.entries(programs).map(([to, { from }]) => [to, from]));
  for (const { from } of Object.values(programs)) for (const library of librariesOf(from)) files.set(library, library);
  const packages = debianPackages([...files.values()]);
  const key = JSON.stringify([...files].map(([to, from]) => [to, statSync(from).size, statSync(from).mtimeMs]));
  const layer = keptLayer({ ...kept, key: key + JSON.stringify(packages) + users }, (folder) => {
    for (const [to, from] of files) {
      mkdirSync(join(folder, dirname(to)), { recursive: true });
      copyFileSync(realpathSync(from), join(folder, to));
      if (programs[to]?.isStripped === true) runProgram('strip', [join(folder, to)]);
    }
    writeSystem(folder, packages);
  });
  return { layer, packages };
}

function librariesOf(program: string): readonly string[] {
  return runProgram('ldd', [program]).match(/\/[^ )]+/g) ?? [];
}

function writeSystem(folder: string, packages: readonly DebianPackage[]): void {
  for (const path of ['etc', 'tmp', 'var/lib/dpkg/status.d']) mkdirSync(join(folder, path), { recursive: true });
  writeFileSync(join(folder, 'etc/passwd'), users);
  writeFileSync(join(folder, 'etc/group'), groups);
  writeFileSync(join(folder, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  if (existsSync('/etc/os-release')) copyFileSync(realpathSync('/etc/os-release'), join(folder, 'etc/os-release'));
  for (const { name } of packages) {
    writeFileSync(join(folder, 'var/lib/dpkg/status.d', name), runProgram('dpkg-query', ['--status', name]));
    const copyright = `usr/share/doc/${name}/copyright`;
    if (!existsSync(`/${copyright}`)) continue;
    mkdirSync(join(folder, dirname(copyright)), { recursive: true });
    cpSync(realpathSync(`/${copyright}`), join(folder, copyright));
  }
}

/** The packages that own these files, in the order of their names. A file of none is left out. */
function debianPackages(files: readonly string[]): readonly DebianPackage[] {
  if (!existsSync('/var/lib/dpkg/status')) return [];
  const owners = new Set(files.flatMap((path) => ownerOf(path) ?? []));
  return [...owners].toSorted().map((name) => ({ name, version: runProgram('dpkg-query', ['-f', '${Version}', '-W', name]) }));
}

/** Debian moved /bin and /lib below /usr; its database may name a file by either. */
function ownerOf(path: string): string | undefined {
  const real = realpathSync(path);
  for (const name of [real, real.replace(/^\/usr/, ''), `/usr${real}`]) {
    const list = readOwner(name);
    if (list !== undefined) return list;
  }
  return undefined;
}

function readOwner(path: string): string | undefined {
  try {
    return /^([^:\s]+)/.exec(runProgram('dpkg-query', ['--search', path]))?.[1];
  } catch {
    return undefined;
  }
}

/** Where a program of this machine is. @throws Error when it is nowhere */
export function findOnMachine(program: string): string {
  return runProgram('sh', ['-c', `PATH=$PATH:/usr/bin command -v ${program}`]).trim();
}

/** The version that the package of Node says, and its licence. */
export function nodePackage(repository: string): { readonly version: string; readonly program: string } {
  const { version } = JSON.parse(readFileSync(join(repository, 'node_modules/node/package.json'), 'utf8')) as { readonly version: string };
  return { version, program: join(repository, 'node_modules/node/bin/node') };
}
