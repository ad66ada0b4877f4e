import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { usage } from '../../sizing/options.ts';

test('the command prints it with status 0, and a wrong line with status 2 and the usage', () => {
  const run = (args: readonly string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, ['sizing/main.ts', ...args], { encoding: 'utf8' });
  expect(run(['--connections', '100000', '--channels', '1000', '--publications', '2000'])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('kind: GatewayPool'),
    stderr: '',
  });
  expect(run([])).toMatchObject({ status: 2, stdout: '', stderr: `sizing: --connections is missing\n\n${usage}` });
  expect(run(['--help'])).toMatchObject({ status: 0, stdout: usage });
  expect(run(['--connections', '100000000', '--channels', '1', '--publications', '1'])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('needs more than 1000 gateways'),
  });
});
