import { globSync, readFileSync } from 'node:fs';

/** Folders whose documents are not ours, or are built. */
const others = ['node_modules', '.cache', '.git', 'dist'];

/** Every Markdown file of the repository, by its path from the root, in the order of the alphabet. */
export function documentPaths(): readonly string[] {
  const isOther = (path: string): boolean => path.split('/').some((part) => others.includes(part));
  return globSync('**/*.md', { exclude: (path) => isOther(path) })
    .filter((path) => !isOther(path))
    .toSorted();
}

export function readDocument(path: string): string {
  return readFileSync(path, 'utf8');
}
