import type { Server } from 'node:http';
import { readSettings, unknownSettings, type Settings } from './settings.ts';
import { createLogger, type Logger } from './logging.ts';

/** What a process runs: made by `start`, left by `close`, which must end within the time that a pod is given. */
export interface Running {
  close(): Promise<void>;
}

const leaveWithinMs = 9_500;

/**
 * The life of every process: settings from the environment (all faults at once, exit status 2), start (a failure is exit status 1),
 * then SIGTERM or SIGINT: close everything and let the loop empty, exit status 0. What still holds the loop after 9.5 s is cut off.
 */
export async function runProcess(part: string, start: (settings: Settings, logger: Logger) => Promise<Running>): Promise<void> {
  const read = readSettings(process.env);
  if (read.kind === 'faults') {
    process.stderr.write(
      `${part}: these settings are wrong (docs/settings.md lists them all)\n${read.faults.map((fault) => `  ${fault}\n`).join('')}`,
    );
    process.exitCode = 2;
    return;
  }
  const logger = createLogger({ part, level: read.settings.logLevel });
  for (const variable of unknownSettings(process.env))
    logger.warn({ variable }, 'this environment variable is no setting; is it misspelt?');
  let running: Running;
  try {
    running = await start(read.settings, logger);
  } catch (error) {
    process.stderr.write(`${part}: ${startFault(error)}\n`);
    process.exit(1);
  }
  const leave = (signal: string): void => {
    logger.info({ signal }, 'leaving');
    setTimeout(() => {
      logger.warn('something still held the process; it was cut off');
      process.exit(0);
    }, leaveWithinMs).unref();
    running.close().catch((error: unknown) => logger.error({ err: error }, 'closing failed'));
  };
  process.once('SIGTERM', leave);
  process.once('SIGINT', leave);
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
