import { Argument, Command, Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import tab from '@bomb.sh/tab/commander';
import { priorities } from '../core/publication.ts';
import type { DrainOptions } from './commands/drain.ts';
import type { ExplainOptions } from './commands/explain.ts';
import type { LogsOptions } from './commands/logs.ts';
import type { PublishOptions } from './commands/publish.ts';
import type { TailOptions } from './commands/tail.ts';
import type { TopOptions } from './commands/top.ts';
import { outputFormats, type OutputFormat } from './view/document.ts';
import { channelOrders } from './view/top.ts';

/** `kubectl barrage` looks after pools in Kubernetes; `barrage` asks gateways and publishers by their URLs. */
export type ProgramName = 'kubectl barrage' | 'barrage';

/** Options of every command. */
export interface PlaceOptions {
  readonly output: OutputFormat;
  readonly keyFile?: string;
  readonly tokenFile?: string;
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly url?: readonly string[];
  readonly adminUrl?: readonly string[];
  readonly publisherUrl?: string;
}

/** What the commands do, once their words are read. */
export interface Actions {
  readonly top: (what: 'channels' | 'gateways', options: TopOptions & PlaceOptions) => Promise<void>;
  readonly status: (pool: string | undefined, options: PlaceOptions) => Promise<void>;
  readonly explain: (pool: string | undefined, options: ExplainOptions & PlaceOptions) => Promise<void>;
  readonly tail: (channel: string, options: TailOptions & PlaceOptions) => Promise<void>;
  readonly publish: (channel: string, data: string | undefined, options: PublishOptions & PlaceOptions) => Promise<void>;
  readonly drain: (gateway: string | undefined, options: DrainOptions & PlaceOptions) => Promise<void>;
  readonly logs: (wanted: string, options: LogsOptions & PlaceOptions) => Promise<void>;
}

/** The file's name on the PATH. */
export const fileNames: Readonly<Record<ProgramName, string>> = { 'kubectl barrage': 'kubectl-barrage', barrage: 'barrage' };

const about: Readonly<Record<ProgramName, string>> = {
  'kubectl barrage': 'Looks after the GatewayPools of a namespace, through the API server alone.',
  barrage: 'Looks after gateways and publishers by their URLs, without Kubernetes.',
};

/** The commands with their words, help and completion. */
export function buildProgram(name: ProgramName, actions: Actions): Command {
  const isPlugin = name === 'kubectl barrage';
  const program = new Command(fileNames[name])
    .description(about[name])
    .usage('COMMAND [OPTIONS]')
    .version(manifest.version, '--version', 'tell the version')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ commandUsage: (command) => usageOf(name, command) });
  const command = (line: string, words: string): Command => program.command(line).description(words);
  const inPool = (made: Command): Command => (isPlugin ? made.option('--pool <name>', 'the pool, where the namespace has several') : made);

  placed(
    name,
    inPool(
      command('top', 'Show gateways with their load, or the largest and busiest channels.')
        .addArgument(new Argument('[what]', 'what to show').choices(['gateways', 'channels']).default('gateways'))
        .option('-w, --watch', 'show it again and again, until it is interrupted')
        .option('--interval <seconds>', 'time between two views of --watch', '2')
        .option('--limit <count>', 'channels to show', '20')
        .addOption(new Option('--by <order>', 'order of channels').choices([...channelOrders]).default('members')),
    ),
  ).action(actions.top);

  placed(name, command(isPlugin ? 'status [pool]' : 'status', 'Show a page of what is there, what it does, and why.')).action(
    (...words: readonly unknown[]) =>
      actions.status(isPlugin ? (words[0] as string | undefined) : undefined, words[isPlugin ? 1 : 0] as PlaceOptions),
  );

  const explain = command(
    isPlugin ? 'explain [pool]' : 'explain',
    'Tell why a pool has its size, what it waits for, and what twice the connections would need.',
  );
  if (!isPlugin) explain.option('--spec <file>', 'a GatewayPool (YAML) to reckon with');
  placed(name, explain).action((...words: readonly unknown[]) =>
    actions.explain(isPlugin ? (words[0] as string | undefined) : undefined, words[isPlugin ? 1 : 0] as ExplainOptions & PlaceOptions),
  );

  withToken(
    placed(
      name,
      inPool(
        command('tail <channel>', 'Subscribe to a channel, and print its publications as they arrive.').option(
          '--limit <count>',
          'end after so many publications',
        ),
      ),
    ),
  ).action(actions.tail);

  withKey(
    placed(
      name,
      inPool(
        command('publish <channel> [data]', 'Publish to a channel: DATA, a file, or standard input.')
          .option('-f, --file <path>', 'the payload; - is standard input')
          .option('--binary', 'publish bytes, not text')
          .addOption(new Option('--priority <priority>', 'what is left out first under a budget').choices([...priorities]))
          .option('--wait', 'wait until the gateways have sent it, and tell to how many'),
      ),
    ),
    isPlugin,
  ).action(actions.publish);

  const drain = command(isPlugin ? 'drain <gateway>' : 'drain', 'Have a gateway give up its connections and leave.')
    .option('-y, --yes', 'do not ask')
    .option('--no-wait', 'do not wait for its end');
  if (!isPlugin)
    drain
      .option('--signing-key-file <path>', 'the private key (PEM) that the gateway trusts')
      .option('--rate <count>', 'connections a second that it gives up', '100')
      .option('--deadline <seconds>', 'longest time; the rest is closed then', '60');
  placed(name, drain).action((...words: readonly unknown[]) =>
    actions.drain(isPlugin ? (words[0] as string) : undefined, words[isPlugin ? 1 : 0] as DrainOptions & PlaceOptions),
  );

  const logs = inPool(
    command('logs <user-or-connection>', "Search the gateways' logs for a user or a connection.").option(
      '--since <duration>',
      'how far back: 30s, 10m, 2h, 1d',
      '1h',
    ),
  );
  if (!isPlugin) logs.option('-f, --file <path...>', 'the logs to search; without it, standard input');
  placed(name, logs).action(actions.logs);

  tab(program, { completionCommandName: 'completion' });
  return program;
}

/** Adds the options that say where, and in which form. */
function placed(name: ProgramName, command: Command): Command {
  command.addOption(new Option('-o, --output <format>', 'form of the result').choices([...outputFormats]).default('text'));
  if (name === 'kubectl barrage')
    return command
      .option('-n, --namespace <name>', "the namespace; the context's own where absent")
      .option('--context <name>', 'the context of the kubeconfig')
      .option('--kubeconfig <path>', 'the kubeconfig; KUBECONFIG or ~/.kube/config where absent');
  return command
    .option('--url <url...>', "gateways, by the clients' port (default: http://127.0.0.1:6790)")
    .option('--admin-url <url...>', 'their admin ports; the same as --url where absent')
    .option('--publisher-url <url>', 'the publisher', 'http://127.0.0.1:6789');
}

function withKey(command: Command, isPlugin: boolean): Command {
  const otherwise = isPlugin ? "the variable BARRAGE_API_KEY, or the pool's Secret" : 'the variable BARRAGE_API_KEY';
  return command.option('--key-file <path>', `a file with the API key; where absent, ${otherwise}`);
}

function withToken(command: Command): Command {
  return command.option('--token-file <path>', "a file with the client's token; where absent, the variable BARRAGE_TOKEN");
}

/** `kubectl barrage top [what] [options]`: as it is typed. */
function usageOf(name: ProgramName, command: Command): string {
  const words: string[] = [];
  for (let each: Command | null = command; each?.parent; each = each.parent) words.unshift(each.name());
  return [name, ...words, command.usage()].join(' ');
}
