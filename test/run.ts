import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { installRequirements } from './requirements.ts';
import { formVariable, leftOutOf, leftOutParts, longForms, unitFolders, withoutVariable } from './suite.ts';

/**
 * Runs the suite: `check` (types, lint, format, unused code), `unit` (check and what needs no server), or `all`; or
 * one entry of `longForms` alone, in its long form. Each check counts as one test. The last line is
 * `N passed, N failed`, after what was left out by the developer's choice. The exit status is 0 only when nothing
 * failed and something passed.
 */
const scopes = ['check', 'unit', 'all'] as const;
const resultFile = '.cache/vitest.json';

const checks: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['types', ['tsc']],
  ['lint', ['oxlint', '--type-aware', '--deny-warnings']],
  ['format', ['oxfmt', '--check', '.']],
  ['unused code', ['knip']],
];

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

function runCheck(name: string, command: readonly string[]): Outcome {
  const [program = '', ...args] = command;
  const { status } = spawnSync(`node_modules/.bin/${program}`, args, { stdio: 'inherit' });
  process.stdout.write(`${status === 0 ? '✓' : '×'} ${name}\n`);
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** Skipped tests and files that could not be loaded are failures: nothing passes by not being run. */
function runVitest(folders: readonly string[], leftOut: readonly string[]): Outcome {
  mkdirSync('.cache', { recursive: true });
  rmSync(resultFile, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${resultFile}`];
  const exclusions = leftOut.flatMap((folder) => ['--exclude', `${folder}/**`]);
  const { status } = spawnSync('node_modules/.bin/vitest', ['run', ...folders, ...exclusions, ...reporters], { stdio: 'inherit' });
  try {
    const result: unknown = JSON.parse(readFileSync(resultFile, 'utf8'));
    const { numPassedTests: passed, numTotalTests: total } = result as { numPassedTests: number; numTotalTests: number };
    const failed = total - passed;
    return { passed, failed: status === 0 || failed > 0 ? failed : 1 };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

async function main(): Promise<void> {
  const wish = process.argv[2] ?? '';
  const scope = scopes.find((each) => each === wish);
  const longForm = longForms.get(wish);
  if (scope === undefined && longForm === undefined)
    throw new Error(`usage: node test/run.ts ${[...scopes, ...longForms.keys()].join(' | ')}`);
  const outcomes: Outcome[] = [];
  const leftOut = scope === 'all' ? leftOutParts(process.env[withoutVariable] ?? '') : [];
  if (scope === 'all') await installRequirements(leftOut);
  if (longForm !== undefined) await installRequirements(leftOutOf(longForm));
  if (longForm === undefined) for (const [name, command] of checks) outcomes.push(runCheck(name, command));
  else process.env[formVariable] = 'long';
  if (scope !== 'check')
    outcomes.push(
      runVitest(
        longForm === undefined ? (scope === 'unit' ? unitFolders : []) : [longForm],
        leftOut.map(({ folder }) => folder),
      ),
    );
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  for (const { what, folder } of leftOut) process.stdout.write(`\nleft out by ${withoutVariable}: ${what} (${folder})`);
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

await main();
