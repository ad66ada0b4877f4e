import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { nodeProgram } from '../support/node-versions.ts';

test.each([20, 22] as const)(
  'Node %i is what runs as such, however many ask for it at once',
  async (major) => {
    const [program, same] = await Promise.all([nodeProgram(major), nodeProgram(major)]);
    expect(same).toBe(program);
    const { stdout } = await promisify(execFile)(program, ['--version']);
    expect(stdout).toMatch(new RegExp(`^v${major}\\.`));
  },
  180_000,
);
