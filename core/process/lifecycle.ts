import type { Server } from 'node:http';
import { readSettings, unknownSettings, type Settings, type SettingsResult } from './settings.ts';
import { createLogger, type Logger } from './logging.ts';

/** What a process runs: made by `start`, left by `close`, which must end within the time that a pod is given. */
export interface Running {
  close(): Promise<void>;
  /** Ends at once what `close` takes its time for; absent where it takes none. */
  hasten?(): void;
}

/** Longest time from a signal to the end of a process, in milliseconds, unless its drain takes longer. */
const leaveMsMax = 9_500;
/** Longest time that a process may take to close what is left after its drain, in milliseconds. */
export const closeMsMax = 4_500;
/**
 * A signal that comes so soon after the first is the same one, in milliseconds: Ctrl-C reaches a process both from the
 * terminal and through npm.
 */
const echoMsMax = 1_000;

/** What a process runs, and which settings it can't run with. */
export interface Runnable {
  /** What it is and does, for who asks with `--help`. */
  readonly about: string;
  /** In words, each with what to do. Absent: it runs with any. */
  readonly faultsOf?: (settings: Settings) => readonly string[];
  readonly start: (settings: Settings, logger: Logger) => Promise<Running>;
}

/**
 * What a command line gets: `run` where it is empty, the help where it asks for it, and a fault where it has anything
 * else: a process that ignored `--port 80` would listen elsewhere.
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
 * The life of every process: `--help` (exit status 0), settings from the environment (all faults at once, exit status
 * 2), start (a failure is exit status 1), then SIGTERM or SIGINT: close everything and let the loop empty, exit status
 * 0. Another signal hastens it. What still holds the loop after 9.5 s (of a longer drain: 4.5 s after it; when
 * hastened: 4.5 s) is cut off.
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
    const lines = [...read.faults, ...misspelt.map((variable) => `${variable}: ${noSetting}`)];
    process.stderr.write(
      `${part}: these settings are wrong (docs/settings.md lists them all)\n${lines.map((line) => `  ${line}\n`).join('')}`,
    );
    process.exitCode = 2;
    return;
  }
  const logger = createLogger({ part, level: read.settings.logLevel });
  for (const variable of misspelt) logger.warn({ variable }, noSetting);
  let running: Running;
  try {
    running = await start(read.settings, logger);
  } catch (error) {
    process.stderr.write(`${part}: ${startFault(error)}\n`);
    process.exit(1);
  }
  const cutOffAfter = (milliseconds: number): void => {
    const cutOff = (): void => {
      logger.warn('something still held the process; it was cut off');
      process.exit(0);
    };
    setTimeout(cutOff, milliseconds).unref();
  };
  let leavingSince: number | undefined;
  const leave = (signal: string): void => {
    const now = performance.now();
    if (leavingSince === undefined) {
      leavingSince = now;
      logger.info({ signal }, 'leaving');
      cutOffAfter(Math.max(leaveMsMax, read.settings.drainMs + closeMsMax));
      running.close().catch((error: unknown) => logger.error({ err: error }, 'closing failed'));
    } else if (now - leavingSince > echoMsMax) {
      logger.info({ signal }, 'leaving at once');
      cutOffAfter(closeMsMax);
      running.hasten?.();
    }
  };
  process.on('SIGTERM', leave);
  process.on('SIGINT', leave);
}

const noSetting = 'this environment variable is no setting; is it misspelt?';

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

/** Listens, or fails with the system's error; resolves with the port in use. */
export async function listen(server: Server, options: { readonly host: string; readonly port: number }): Promise<number> {
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
