import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { commands, readEntryPoints } from '../../release/image/application.ts';

async function run(program: string, args: readonly string[]) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const [status] = (await once(child, 'close')) as [number];
  return { status, stdout, stderr };
}

const processes = ['standalone/main.ts', 'gateway/main.ts', 'publisher/main.ts', 'operator/main.ts'];

test.each(processes)('%s says what it is with --help, and refuses an argument that it would ignore', async (main) => {
  for (const word of ['--help', '-h'])
    expect(await run(process.execPath, [main, word])).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^Usage: .*docs\/settings\.md/s),
      stderr: '',
    });
  expect(await run(process.execPath, [main, '--port', '80'])).toEqual({
    status: 2,
    stdout: '',
    stderr: expect.stringMatching(/"--port" is not understood.*docs\/settings\.md/s),
  });
});

test('replay says with --help how it is used, whatever else stands there', async () => {
  const help = { status: 0, stdout: expect.stringMatching(/^Plays .*--channel NAME/s), stderr: '' };
  expect(await run(process.execPath, ['client/replay/main.ts', '--help'])).toEqual(help);
  expect(await run(process.execPath, ['client/replay/main.ts', 'x.xml', '--speed', 'fast', '-h'])).toEqual(help);
});

test('the image’s commands are told with --help, and pass on what stands behind them', async () => {
  expect(await run('sh', ['entrypoint.sh', '--help'])).toEqual({ status: 0, stdout: expect.stringContaining('standalone'), stderr: '' });
  for (const args of [[], ['gatway']]) expect(await run('sh', ['entrypoint.sh', ...args])).toMatchObject({ status: 2, stdout: '' });
  const told = readEntryPoints(readFileSync('entrypoint.sh', 'utf8')).map(({ command }) => command);
  expect(told).toEqual(Object.keys(commands));
});

test('a Node that can’t read TypeScript says what to do: every npm script asks first', async () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const check = './core/process/needed-node.cjs';
  const lines = Object.entries(scripts).filter(([, line]) => line.includes('.ts'));
  expect(lines.length).toBeGreaterThan(8);
  for (const [name, line] of lines) expect(line, name).toMatch(new RegExp(`^node --require ${check} `));

  const folder = await mkdtemp(join(tmpdir(), 'barrage-node-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const version = async (node: string) => {
    const pretence = join(folder, `${node}.cjs`);
    await writeFile(pretence, `Object.defineProperty(process, 'versions', { value: { node: '${node}' } });`);
    return run(process.execPath, ['--require', pretence, '--require', check, '-e', 'console.log("ran")']);
  };
  expect(await version('26.0.0')).toEqual({ status: 0, stdout: 'ran\n', stderr: '' });
  for (const old of ['20.20.2', '25.9.0'])
    expect(await version(old)).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`needs Node 26 .*this is Node ${old}.*npm rebuild node --ignore-scripts=false`, 's')),
    });
});
