import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventReasons } from '../../operator/decide/actions.ts';
import { poolConditionTypes } from '../../operator/decide/pool-conditions.ts';

const page = readFileSync('docs/operator.md', 'utf8');

/** In code: what is a status, a part of the API or a word of the kubelet, not a reason. */
const otherWords = new Set(
  ['True False Unknown HostPort Standalone CrashLoopBackOff CreateContainerConfigError ErrImageNeverPull ErrImagePull ImagePullBackOff']
    .concat('InvalidImageName RegistryUnavailable SchedulingGated')
    .flatMap((line) => line.split(' ')),
);

/** Every word in CamelCase that the code has in quotes. */
function wordsOf(file: string): readonly string[] {
  const code = readFileSync(`operator/decide/${file}.ts`, 'utf8').replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
  return [...code.matchAll(/'([A-Z][A-Za-z]+)'/g)].map(([, word = '']) => word);
}

function section(heading: string): string {
  const from = page.indexOf(`\n## ${heading}\n`);
  expect(from, heading).toBeGreaterThan(0);
  const to = page.indexOf('\n## ', from + 1);
  return page.slice(from, to === -1 ? undefined : to);
}

/** Words in backquotes in the first columns of a section's tables. */
function documented(heading: string, columns: number): readonly string[] {
  const rows = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('|'));
  return rows.flatMap((row) =>
    row
      .split('|')
      .slice(1, 1 + columns)
      .flatMap((cell) => [...cell.matchAll(/`([A-Z][A-Za-z]+)`/g)].map(([, word = '']) => word)),
  );
}

const sorted = (words: Iterable<string>): readonly string[] => [...new Set(words)].filter((word) => !otherWords.has(word)).toSorted();

test('every condition type and reason of a pool is documented, and no other', () => {
  const words = [...poolConditionTypes, ...wordsOf('pool-conditions'), ...wordsOf('blocker')];
  const [types = '', blockers = ''] = section('Conditions of a pool').split('### What holds a pool up');
  expect(types).not.toBe('');
  expect(blockers).not.toBe('');
  expect(sorted(documented('Conditions of a pool', 3)).filter((word) => !sorted(words).includes(word))).toEqual([]);
  expect(sorted(words).filter((word) => !documented('Conditions of a pool', 3).includes(word))).toEqual([]);
});

test('every condition type and reason of a channel is documented, and no other', () => {
  const words = [...wordsOf('channel-conditions'), ...wordsOf('policies')];
  expect(sorted(documented('Conditions of a channel', 3))).toEqual(sorted(words));
});

test('every reason of an event is documented, and no other; each is there once', () => {
  expect(documented('Events', 1).toSorted()).toEqual(eventReasons.toSorted());
  expect(new Set(eventReasons).size).toBe(eventReasons.length);
});
