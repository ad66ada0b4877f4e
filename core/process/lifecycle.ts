import type { Server } from 'node:http';
import { readSettings, unknownSettings, type Settings, type SettingsResult } from './settings.ts';
import { createProcessLogger, type Logger } from './logging.ts';
import { processJournal, processLines } from './log-lines.ts';

/** A running process, made by `start` and ended by `close`, within the time that a pod is given. */
export interface Running {
  close(): Promise<void>;
  /** Ends at once the work that `close` waits for; absent when it waits for none. */
  hasten?(): void;
  /** Longest time of `close`, in milliseconds, where it is more than that of other processes (9.5 s). */
  readonly closeMsMax?: number;
}

/** Longest time from a signal to the end of a process, in milliseconds. A longer drain extends it. */
const leaveMsMax = 9_500;
/** Longest time for closing after a process's drain, in milliseconds. */
export const closeMsMax = 4_500;
/**
 * Time within which a second signal counts as the first one, in milliseconds. Ctrl-C reaches a process both from the
 * terminal and through npm.
 */
const echoMsMax = 1_000;

/** A process to run, and the settings that it can't run with. */
export interface Runnable {
  /** Description for `--help`. */
  readonly about: string;
  /** Faults of settings in words, each with its remedy. Absent: the process runs with any settings. */
  readonly faultsOf?: (settings: Settings) => readonly string[];
  readonly start: (settings: Settings, logger: Logger) => Promise<Running>;
}

/**
 * The meaning of a command line: `run` when it is empty, the help when it asks for it, else a fault. A process that
 * ignored `--port 80` would listen elsewhere.
 */
export type CommandLine =
  | { readonly kind: 'run' }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'fault'; readonly text: string };

/** Reads the command line of a process that takes only settings. */
export function readCommandLine(part: string, about: string, words: readonly string[]): CommandLine {
  if (words.length === 0) return { kind: 'run' };
  const usage = `Usage: ${part}\n\n${about}\n\nIt takes no arguments: its settings are environment variables, and docs/settings.md lists them.\n`;
  if (words.every((word) => word === '--help' || word === '-h')) return { kind: 'help', text: usage };
  return {
    kind: 'fault',
    text: `${part}: ${JSON.stringify(words.find((word) => !/^(-h|--help)$/.test(word)))} is not understood\n\n${usage}`,
  };
}

/**
 * The life of every process. It answers `--help` (exit status 0), reads the environment (all faults at once, exit
 * status 2), and starts (a failure is exit status 1). At SIGTERM or SIGINT it closes everything and lets the event loop
 * empty (exit status 0). Another signal hastens it.
 *
 * Signals are heard before the start: a process may have clients before all of it has started, and one with the number
 * 1 in a container would never notice a signal that it does not hear. One that comes during the start closes what has
 * started then.
 *
 * Remaining work is cut off 9.5 s after the signal, or after `closeMsMax` of the process. A longer drain gets 4.5 s
 * after its end, and a hastened process 4.5 s. A start that lasts is cut off 9.5 s after the signal, too.
 */
export async function runProcess(part: string, { about, start, faultsOf = () => [] }: Runnable): Promise<void> {
  const line = readCommandLine(part, about, process.argv.slice(2));
  if (line.kind === 'help') {
    process.stdout.write(line.text);
    return;
  }
  if (line.kind === 'fault') {
    process.stderr.write(line.text);
    process.exitCode = 2;
    return;
  }
  const read = checked(readSettings(process.env), faultsOf);
  const misspelt = unknownSettings(process.env);
  if (read.kind === 'faults') {
    const lines = [...read.faults, ...misspelt.map((variable) => `${variable}: ${processLines['setting-unknown'].message}`)];
    process.stderr.write(
      `${part}: these settings are wrong (docs/settings.md lists them all)\n${lines.map((line) => `  ${line}\n`).join('')}`,
    );
    process.exitCode = 2;
    return;
  }
  const logger = await createProcessLogger({ part, level: read.settings.logLevel });
  const journal = processJournal(logger);
  for (const variable of misspelt) journal.write('setting-unknown', { variable });
  const cutOffAfter = (milliseconds: number): NodeJS.Timeout => {
    const cutOff = (): void => {
      journal.write('work-cut-off');
      process.exit(0);
    };
    return setTimeout(cutOff, milliseconds).unref();
  };
  let running: Running | undefined;
  let leavingSince: number | undefined;
  let startCutOff: NodeJS.Timeout | undefined;
  const close = (started: Running): void => {
    clearTimeout(startCutOff);
    cutOffAfter(Math.max(leaveMsMax, read.settings.drainMs + closeMsMax, started.closeMsMax ?? 0));
    started.close().catch((error: unknown) => journal.write('closing-failed', { err: error }));
  };
  const leave = (signal: string): void => {
    const now = performance.now();
    if (leavingSince === undefined) {
      leavingSince = now;
      journal.write('leaving', { signal });
      if (running === undefined) startCutOff = cutOffAfter(leaveMsMax);
      else close(running);
    } else if (now - leavingSince > echoMsMax) {
      journal.write('leaving-hastened', { signal });
      cutOffAfter(closeMsMax);
      running?.hasten?.();
    }
  };
  process.on('SIGTERM', leave);
  process.on('SIGINT', leave);
  try {
    running = await start(read.settings, logger);
  } catch (error) {
    process.stderr.write(`${part}: ${startFault(error)}\n`);
    process.exit(1);
  }
  if (leavingSince !== undefined) close(running);
}

function checked(read: SettingsResult, faultsOf: (settings: Settings) => readonly string[]): SettingsResult {
  const faults = read.kind === 'settings' ? faultsOf(read.settings) : [];
  return faults.length === 0 ? read : { kind: 'faults', faults };
}

function startFault(error: unknown): string {
  const { code, message, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === 'EADDRINUSE')
    return `port ${port} on ${address} is taken by another process. Stop that one, or choose another port with BARRAGE_GATEWAY_PORT / BARRAGE_PUBLISHER_PORT / BARRAGE_ADMIN_PORT.`;
  if (code === 'EACCES') return `not allowed to listen on port ${port}: choose one above 1023.`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `this machine has no address ${address ?? message}: check BARRAGE_GATEWAY_HOST and BARRAGE_PUBLISHER_HOST.`;
  return error instanceof Error ? message : String(error);
}

/**
 * Listens, or fails with the system's error. Resolves with the port in use. The host `::` takes IPv4 too; on a machine
 * without IPv6 it becomes `0.0.0.0`.
 */
export async function listen(server: Server, options: { readonly host: string; readonly port: number }): Promise<number> {
  try {
    return await listenOn(server, options);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (options.host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL')) throw error;
    return await listenOn(server, { ...options, host: '0.0.0.0' });
  }
}

async function listenOn(server: Server, options: { readonly host: string; readonly port: number }): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : options.port;
}
