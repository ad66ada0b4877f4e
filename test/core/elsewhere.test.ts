import { expect, test } from 'vitest';
import { runElsewhere } from '../../core/process/elsewhere.ts';

test('where no thread can be made, that is told as what may pass, and nothing is thrown', async () => {
  // No worker can have such an address: making it throws, as it does at the bound of threads.
  const result = await runElsewhere(new URL('https://nowhere.example/'), 'input');
  expect(result).toEqual({ kind: 'failed', fault: expect.stringMatching(/^no thread can be had to read it: /), isPassing: true });
});
