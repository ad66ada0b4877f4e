import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { neutralEnvironment } from '../support/environment.ts';
import { until } from '../support/websocket.ts';

const ctrlC = '\u0003';

test('on a terminal the log is readable, and its last line is there when the process has ended', { timeout: 30_000 }, async () => {
  const settings = {
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_DRAIN_MS: '0',
    BARRAGE_GATEWAY_PROT: '1',
    NO_COLOR: '1',
  };
  const command = `exec ${process.execPath} standalone/main.ts`;
  const terminal = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { ...neutralEnvironment(), ...settings },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void terminal.kill('SIGKILL'));
  let shown = '';
  terminal.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  const ended = once(terminal, 'exit');
  await until(() => shown.includes('Ctrl-C ends it'), 20);
  terminal.stdin.write(ctrlC);
  expect((await ended)[0]).toBe(0);
  const lines = shown.split('\r\n');
  const message = 'this environment variable is no setting; is it misspelt?';
  const time = String.raw`\[\d\d:\d\d:\d\d\.\d{3}\]`;
  expect(lines[0]).toMatch(new RegExp(`^${time} WARN: ${message.replace('?', String.raw`\?`)}.*"variable":"BARRAGE_GATEWAY_PROT"`));
  expect(shown).toMatch(new RegExp(`${time} INFO: the process leaves.*"signal":"SIGINT"`));
  expect(shown).toMatch(new RegExp(`${time} INFO: nobody is left`));
  expect(shown).not.toContain('{"level"');
});

test('the formatter of readable lines is loaded on a terminal, and nowhere else', async () => {
  const run = promisify(execFile);
  const program = [
    "import('./core/process/logging.ts').then(async ({ createProcessLogger }) => {",
    "  await createProcessLogger({ part: 'test', level: 'info' });",
    "  process.stdout.write(`${Object.keys(require.cache).some((file) => file.includes('pino-pretty'))}`);",
    '});',
  ].join(' ');
  expect((await run(process.execPath, ['--eval', program])).stdout).toBe('false');
  const quoted = `'${program.replaceAll("'", String.raw`'\''`)}'`;
  const command = `${process.execPath} --eval ${quoted}`;
  expect((await run('script', ['--quiet', '--return', '--command', command, '/dev/null'], { env: neutralEnvironment() })).stdout).toBe(
    'true',
  );
});
