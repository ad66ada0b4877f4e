import { closeSync, openSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { limits } from '../../core/limits.ts';
import { linesTo, logLinesLost } from '../../core/process/logging.ts';

test('lines wait for a full disk up to the bound, and the first beyond it is lost and counted', () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const lines = linesTo(full);
  const line = `${'x'.repeat(1023)}\n`;
  for (let each = 0; each < limits.logWaitingCharactersMax / line.length; each++) lines.write(line);
  expect(logLinesLost()).toBe(0);
  lines.write('\n');
  expect(logLinesLost()).toBe(1);
});
