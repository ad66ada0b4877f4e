import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImages } from './image.ts';
import { builtFolder, buildPrograms, controlPlanePrograms, nodePrograms, scripts } from './programs.ts';

/**
 * A cluster by hand: `npm run cluster up [pods] [kwok]` and `npm run cluster down`. It stays until it is taken down. On
 * the usual port, and the node in a network of its own, so that it does not stand in the tests' way.
 */
const usage = 'usage: npm run cluster up [pods] [kwok] | npm run cluster down\n';
const run = join(tmpdir(), 'barrage-cluster-by-hand');
const network = '10.252';

async function main(): Promise<void> {
  const [command, ...parts] = process.argv.slice(2);
  if (command === '--help' || command === '-h') {
    process.stdout.write(usage);
    return;
  }
  if ((command !== 'up' && command !== 'down') || parts.some((part) => part !== 'pods' && part !== 'kwok')) {
    process.stderr.write(usage);
    process.exitCode = 2;
    return;
  }
  if (command === 'up') {
    await buildPrograms([...(parts.includes('pods') ? nodePrograms : controlPlanePrograms), 'kwok', 'helm']);
    if (parts.includes('pods')) await buildImages();
  }
  const { status } = spawnSync('bash', [join(scripts, `${command}.sh`), ...parts], {
    stdio: 'inherit',
    env: { ...process.env, RUN: run, NET: network },
  });
  process.exitCode = status ?? 1;
  if (command === 'up' && status === 0)
    process.stdout.write(`export KUBECONFIG=${join(run, 'kubeconfig')} PATH=${join(builtFolder, 'bin')}:$PATH\n`);
}

await main();
