import { basename } from 'node:path';
import { exitStatuses } from './fault.ts';
import { runCommandLine } from './run.ts';
import { Terminal } from './terminal.ts';

/**
 * One program under three names: `kubectl-barrage` (a plugin of kubectl), `barrage` (without Kubernetes), and
 * `kubectl_complete-barrage`, which kubectl asks for completions of the plugin.
 */
async function main(): Promise<void> {
  const called = basename(process.argv[1] ?? '');
  const given = process.argv.slice(2);
  const interrupt = new AbortController();
  process.on('SIGINT', () => {
    if (interrupt.signal.aborted) process.exit(exitStatuses.interrupted);
    interrupt.abort();
  });
  // The reader of a pipe has gone, as `head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const { stdin, stdout, stderr } = process;
  // Whatever ends this process before its command has ended is a failure.
  process.exitCode = exitStatuses.failed;
  process.exitCode = await runCommandLine({
    name: called.startsWith('kubectl') ? 'kubectl barrage' : 'barrage',
    words: called.startsWith('kubectl_complete') ? ['complete', '--', ...given] : given,
    environment: process.env,
    terminal: new Terminal({ stdin, stdout, stderr }, interrupt.signal),
    now: Date.now,
  });
  // A terminal's standard input would keep the process.
  if (stdin.isTTY) stdin.unref();
}

void main();
