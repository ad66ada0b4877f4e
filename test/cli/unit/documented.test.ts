import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { exitStatuses } from '../../../cli/fault.ts';
import { buildProgram, type Actions } from '../../../cli/program.ts';
import { channelTable, gatewayTable } from '../../../cli/view/top.ts';

const document = readFileSync('docs/kubectl.md', 'utf8');
const nothing = (): Promise<void> => Promise.resolve();
const actions: Actions = {
  top: nothing,
  status: nothing,
  explain: nothing,
  tail: nothing,
  publish: nothing,
  drain: nothing,
  logs: nothing,
};

/** The commands of a program with their options, as help shows them. */
function commandsOf(name: 'kubectl barrage' | 'barrage'): ReadonlyMap<string, readonly string[]> {
  const program = buildProgram(name, actions);
  const optionsOf = (command: Command): readonly string[] =>
    program
      .createHelp()
      .visibleOptions(command)
      .map(({ flags }) => flags)
      .filter((flags) => !flags.includes('--help'));
  return new Map(
    program
      .createHelp()
      .visibleCommands(program)
      .map((command) => [command.name(), optionsOf(command)]),
  );
}

test.each(['kubectl barrage', 'barrage'] as const)('docs/kubectl.md has every command and option of %s, and no other', (name) => {
  const begin = document.indexOf(`\n## ${name}: `);
  const end = document.indexOf('\n## ', begin + 1);
  const section = document.slice(begin, end === -1 ? undefined : end);
  const rows = [...section.matchAll(/^\| `([a-z]+)` \| (.*?) \|/gm)].map(([, command = '', options = '']): [string, readonly string[]] => [
    command,
    [...options.matchAll(/`([^`]+)`/g)].map(([, flags = '']) => flags),
  ]);
  const places = [...(/^Every command: (.*)$/m.exec(section)?.[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, flags = '']) => flags);
  const expected = [...commandsOf(name)].map(([command, options]) => [command, [...options].toSorted()]);
  expect(places.length).toBeGreaterThan(2);
  expect(rows.map(([command, options]) => [command, [...options, ...(command === 'completion' ? [] : places)].toSorted()])).toEqual(
    expected,
  );
});

test('docs/kubectl.md has every exit status', () => {
  const section = document.slice(document.indexOf('\n## Exit statuses'));
  const rows = [...section.matchAll(/^\| (\d+) \|/gm)].map(([, status]) => Number(status));
  expect(rows).toEqual(Object.values(exitStatuses));
});

test('docs/kubectl.md shows each command of kubectl barrage, with the tables as they are now', () => {
  for (const [command] of commandsOf('kubectl barrage'))
    if (command !== 'completion') expect(document).toContain(`\n$ kubectl barrage ${command}`);
  const gateway = { ...figures, name: '', pool: 'shows/live', node: '', state: '', isWell: true, restarts: 0, ageMs: 0 };
  const titles = (line: string | undefined): readonly string[] => (line ?? '').split(/ +/);
  const shown = document.split('\n').filter((line) => /^(?:GATEWAY|CHANNEL) /.test(line));
  expect(shown.map(titles)).toEqual([
    titles(gatewayTable([gateway])[0]?.text),
    titles(channelTable([], 1)[0]?.text),
    titles(gatewayTable([gateway])[0]?.text),
  ]);
});

const figures = {
  connections: 0,
  subscriptions: 0,
  rooms: 0,
  loop: 0,
  bytesPerSecond: 0,
  deliveredPerSecond: 0,
  droppedPerSecond: 0,
};
