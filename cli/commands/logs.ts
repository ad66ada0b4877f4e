import { createReadStream } from 'node:fs';
import { counted } from '../../core/counted.ts';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import { ApiRefusal } from '../kube/access.ts';
import { inParallel } from '../places/ask.ts';
import { roleOf, type ClusterPlace, type ListedPod } from '../places/cluster-place.ts';
import { streamedText } from '../view/document.ts';
import { bytes as bytesText } from '../view/figures.ts';
import { FoundLines, foundText, LogSearch } from '../view/log-search.ts';
import { printable } from '../view/terminal-text.ts';
import { seconds, type Context } from './context.ts';
import { LogLines } from './log-lines.ts';

export interface LogsOptions {
  readonly pool?: string;
  readonly since: string;
  /** Files to search without Kubernetes; `-` or none is standard input. */
  readonly file?: readonly string[];
}

/** Logs that are read at the same time. */
const readersMax = 4;

interface Source {
  readonly name: string;
  readonly open: () => Promise<AsyncIterable<Buffer>>;
}

/** `logs USER|CONNECTION`: the lines of the gateways' logs about one user or connection. */
export async function logs(context: Context, wanted: string, options: LogsOptions): Promise<void> {
  const { place, terminal, output } = context;
  const since = seconds('--since', options.since);
  const sources =
    place.kind === 'cluster' ? await podSources(context, place, { pool: options.pool, since }) : fileSources(context, options.file ?? []);
  const found = new FoundLines(bounds.logLinesMax);
  let read = 0;
  await inParallel(sources, readersMax, async ({ name, open }) => {
    const search = new LogSearch(wanted, name);
    const lines = new LogLines(bounds.logLineBytesMax, (text) => {
      for (const each of search.read(text)) found.add(each);
    });
    try {
      for await (const chunk of await open()) {
        lines.add(chunk);
        if (lines.bytes >= bounds.logBytesMax) {
          terminal.note(printable(`${name}: only the first ${bytesText(bounds.logBytesMax)} were read. Ask for less with --since`));
          break;
        }
        if (terminal.signal.aborted) break;
      }
      lines.end();
    } catch (error) {
      // A pod may go while it is read. The others' logs count all the same.
      if (error instanceof ApiRefusal && error.status === 403) throw error;
      if (place.kind === 'urls') throw new CommandFault('usage', `${name} can't be read: ${wordsOf(error)}`, { cause: error });
      terminal.note(printable(`${name}: its log can't be read: ${wordsOf(error)}`));
    }
    read += lines.count;
  });
  const sorted = found.sorted();
  if (found.leftOut > 0) terminal.note(`${counted(found.leftOut, 'older line')} left out: the newest ${bounds.logLinesMax} are shown`);
  for (const each of sorted) {
    await terminal.write(output === 'text' ? `${foundText(each)}\n` : streamedText({ source: each.source, ...each.fields }, output));
  }
  if (sorted.length === 0) terminal.note(printable(nothingFound(wanted, { read, sources: sources.length })));
}

function nothingFound(wanted: string, { read, sources }: { readonly read: number; readonly sources: number }): string {
  return (
    `No line is about ${wanted}, in ${counted(read, 'line')} of ${counted(sources, 'log')}. ` +
    'Gateways tell the life of a connection at the level debug: set BARRAGE_LOG_LEVEL. Logs of deleted pods are where the cluster collects logs.'
  );
}

async function podSources(
  { terminal }: Context,
  place: ClusterPlace,
  { pool, since }: { readonly pool: string | undefined; readonly since: number },
): Promise<readonly Source[]> {
  const pools = pool === undefined ? await place.pools() : [await place.pool(pool)];
  if (pools.length === 0)
    throw new CommandFault(
      'missing',
      `the namespace ${place.namespace} has no GatewayPool: choose another with -n (kubectl get gatewaypools -A)`,
    );
  const pods: ListedPod[] = [];
  for (const each of pools) pods.push(...(await place.pods(each)).filter((pod) => roleOf(pod) === 'gateway'));
  if (pods.length > bounds.podsAskedMax)
    terminal.note(`only ${bounds.podsAskedMax} of ${pods.length} gateways are read: choose a pool with --pool`);
  return pods.slice(0, bounds.podsAskedMax).flatMap((pod): readonly Source[] => {
    const { name } = pod.metadata;
    const present = { name, open: () => place.log(name, { sinceSeconds: since, previous: false }) };
    if (!hasRestarted(pod)) return [present];
    return [{ name: `${name} (previous)`, open: () => place.log(name, { sinceSeconds: since, previous: true }) }, present];
  });
}

function hasRestarted({ status }: ListedPod): boolean {
  return ((status?.containerStatuses ?? []) as readonly { readonly restartCount?: number }[]).some(
    ({ restartCount = 0 }) => restartCount > 0,
  );
}

function fileSources({ terminal }: Context, files: readonly string[]): readonly Source[] {
  if (files.length === 0 || files.includes('-')) return [{ name: 'standard input', open: () => Promise.resolve(terminal.stdin) }];
  return files.map((name) => ({ name, open: () => Promise.resolve(createReadStream(name) as AsyncIterable<Buffer>) }));
}
