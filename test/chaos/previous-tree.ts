import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** What gateways are made of: a commit that changes nothing of it is no earlier version. */
const product = ['core', 'gateway', 'package-lock.json'];
const folder = '.cache/chaos';

function git(...words: readonly string[]): string {
  return execFileSync('git', words, { encoding: 'utf8', maxBuffer: 1e9, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/**
 * The tree of an earlier version of the gateways, with its packages, ready to run: that of `ref`, or of the commit
 * before the last one that changed them. Without such a commit the run fails and says what to type: a run that mixed no
 * versions would prove nothing. Packages are shared where the lockfile is the same, and installed where it is not.
 * @throws Error where the history is too short
 */
export function previousTree(ref?: string): string {
  const commit = ref === undefined ? commitBefore() : git('rev-parse', '--verify', `${ref}^{commit}`);
  const tree = resolve(folder, commit);
  if (existsSync(tree)) return tree;
  // Other runs may be making the same tree.
  mkdirSync(folder, { recursive: true });
  const own = mkdtempSync(resolve(folder, 'new-'));
  execFileSync('sh', ['-c', 'git archive --format=tar "$0" ":(exclude)test" | tar -x -C "$1"', commit, own]);
  const isSame = readFileSync(join(own, 'package-lock.json'), 'utf8') === readFileSync('package-lock.json', 'utf8');
  if (isSame) symlinkSync(resolve('node_modules'), join(own, 'node_modules'));
  else execFileSync('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: own, stdio: 'inherit' });
  try {
    renameSync(own, tree);
  } catch {
    rmSync(own, { recursive: true, force: true });
  }
  return tree;
}

function commitBefore(): string {
  const before = lastButOne() ?? (hasMoreToFetch() ? lastButOne() : undefined);
  if (before === undefined)
    throw new Error('gateways of the previous version need the history of this repository. Fetch it with: git fetch --unshallow');
  return before;
}

function lastButOne(): string | undefined {
  return git('rev-list', '--max-count=2', 'HEAD', '--', ...product).split('\n')[1];
}

/** Fetches the rest of a shallow clone's history, if it is one and its origin can be reached. */
function hasMoreToFetch(): boolean {
  if (git('rev-parse', '--is-shallow-repository') !== 'true') return false;
  try {
    git('fetch', '--quiet', '--unshallow');
    return true;
  } catch {
    return false;
  }
}
