import { CommanderError } from 'commander';
import { Interrupted, type Context } from './commands/context.ts';
import { drain } from './commands/drain.ts';
import { explainPool } from './commands/explain.ts';
import { readSecret } from './commands/files.ts';
import { logs } from './commands/logs.ts';
import { publishTo } from './commands/publish.ts';
import { status } from './commands/status.ts';
import { tail } from './commands/tail.ts';
import { top } from './commands/top.ts';
import { CommandFault, exitStatuses, wordsOf } from './fault.ts';
import { KubeAccess } from './kube/access.ts';
import { ClusterPlace } from './places/cluster-place.ts';
import { UrlPlace } from './places/url-place.ts';
import { buildProgram, type Actions, type PlaceOptions, type ProgramName } from './program.ts';
import type { Terminal } from './terminal.ts';
import { printable } from './view/terminal-text.ts';

export interface Run {
  readonly name: ProgramName;
  /** The words behind the program's name. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  /** Unix milliseconds. */
  readonly now: () => number;
}

const localGateway = 'http://127.0.0.1:6790';

/** Runs one command line. @returns the exit status */
export async function runCommandLine({ name, words, environment, terminal, now }: Run): Promise<number> {
  const within = async (options: PlaceOptions, work: (context: Context) => Promise<void>): Promise<void> => {
    const key = await readSecret({ name: 'BARRAGE_API_KEY', value: environment['BARRAGE_API_KEY'] }, options.keyFile);
    const token = await readSecret({ name: 'BARRAGE_TOKEN', value: environment['BARRAGE_TOKEN'] }, options.tokenFile);
    const { url: urls = [localGateway], adminUrl: adminUrls = [], publisherUrl = '' } = options;
    const place = name === 'barrage' ? new UrlPlace({ urls, adminUrls, publisherUrl, key }) : new ClusterPlace(new KubeAccess(options));
    try {
      await work({ place, terminal, output: options.output, now, key, token });
    } finally {
      if (place.kind === 'cluster') place.close();
    }
  };
  const actions: Actions = {
    top: (what, options) => within(options, (context) => top(context, what, options)),
    status: (pool, options) => within(options, (context) => status(context, pool)),
    explain: (pool, options) => within(options, (context) => explainPool(context, pool, options)),
    tail: (channel, options) => within(options, (context) => tail(context, channel, options)),
    publish: (channel, data, options) => within(options, (context) => publishTo(context, channel, data, options)),
    drain: (gateway, options) => within(options, (context) => drain(context, gateway, options)),
    logs: (wanted, options) => within(options, (context) => logs(context, wanted, options)),
  };
  try {
    await buildProgram(name, actions).parseAsync([...words], { from: 'user' });
    return exitStatuses.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatuses.done : exitStatuses.usage;
    if (error instanceof Interrupted || terminal.signal.aborted) return exitStatuses.interrupted;
    terminal.note(`${name}: ${printable(wordsOf(error))}`);
    return error instanceof CommandFault ? exitStatuses[error.kind] : exitStatuses.failed;
  }
}
