import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** One source file: where it lies, what it imports, what it says. */
export interface SourceFile {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly text: string;
}

export interface Import {
  /** Path from the repository's root for relative imports, else the package's specifier. */
  readonly target: string;
  readonly kind: 'file' | 'package';
  readonly isTypeOnly: boolean;
}

const specifier = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;

/** All TypeScript files below a folder, with their imports. */
export function readSources(folder: string): readonly SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => {
      const path = join(folder, name);
      return readSource(path, readFileSync(path, 'utf8'));
    });
}

export function readSource(path: string, text: string): SourceFile {
  const imports = [...text.matchAll(specifier)].map((match): Import => {
    const target = match[2] ?? match[3] ?? '';
    const isFile = target.startsWith('.');
    return {
      target: isFile ? normalize(join(dirname(path), target)) : target,
      kind: isFile ? 'file' : 'package',
      isTypeOnly: match[1] !== undefined,
    };
  });
  return { path, imports, text };
}
