import { expect, test } from 'vitest';
import { previousTree } from './previous-tree.ts';
import { run } from './run.ts';
import { shortRounds } from './short-rounds.ts';

/** The short form: one round in each mode, always the same. `npm run chaos` is the long form. */
test.each(shortRounds)('$mode: whatever is done, nothing is lost without a word', { timeout: 600_000 }, async (round) => {
  const { figures, faults } = await run({
    ...round,
    gateways: 3,
    publishers: 2,
    viewers: 100,
    viewerProcesses: 1,
    previous: previousTree(),
    publicationsPerSecond: 50,
    from: 0,
    isOver: (rounds) => rounds === 1,
    say: (text) => void process.stdout.write(text),
  });
  expect(faults).toEqual([]);
  expect(figures.received).toBeGreaterThan(figures.accepted);
});
