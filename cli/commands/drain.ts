import { counted } from '../../core/counted.ts';
import { names } from '../../operator/desired/labels.ts';
import type { GatewayPool } from '../../operator/api/gateway-pool.ts';
import { CommandFault } from '../fault.ts';
import { isReady, roleOf, type ClusterPlace, type ListedPod } from '../places/cluster-place.ts';
import type { UrlPlace } from '../places/url-place.ts';
import { drainQuestion, type DrainFacts } from '../view/drain-words.ts';
import { sumOf } from '../view/samples.ts';
import { line } from '../view/table.ts';
import { printable } from '../view/terminal-text.ts';
import type { ProcessAnswer } from '../view/reading.ts';
import { readBytes } from './files.ts';
import { bounds } from '../bounds.ts';
import { show, wait, wholeNumber, type Context } from './context.ts';

export interface DrainOptions {
  readonly yes?: boolean;
  /** False: it does not wait for the gateway's end. */
  readonly wait: boolean;
  readonly signingKeyFile?: string;
  readonly rate?: string;
  readonly deadline?: string;
}

const everyMs = 1000;

/** `drain GATEWAY`: the gateway gives up its connections at the pool's rate, and leaves. */
export async function drain(context: Context, gateway: string | undefined, options: DrainOptions): Promise<void> {
  const { place } = context;
  if (place.kind === 'urls') return drainByCommand(context, place, options);
  if (gateway === undefined) throw new CommandFault('usage', 'name the gateway: kubectl barrage top gateways lists them');
  return drainPod(context, place, gateway, options);
}

async function drainPod(context: Context, place: ClusterPlace, name: string, options: DrainOptions): Promise<void> {
  const { terminal, now } = context;
  const pod = await place.findPod(name);
  const poolName = pod?.metadata.labels?.[names.label.pool];
  if (pod === undefined || poolName === undefined || roleOf(pod) !== 'gateway') throw await noGateway(place, name, pod !== undefined);
  const pool = await place.pool(poolName);
  const pods = (await place.pods(pool)).filter((each) => roleOf(each) === 'gateway');
  if (!pods.some(({ metadata }) => metadata.uid === pod.metadata.uid)) throw await noGateway(place, name, true);
  if (pod.metadata.deletionTimestamp !== undefined) {
    terminal.note(printable(`${name} leaves already.`));
  } else {
    const answer = pod.status?.phase === 'Running' ? await place.questionPod(pod, now) : undefined;
    const facts: DrainFacts = {
      gateway: name,
      pool: `${place.namespace}/${poolName}`,
      connections: connectionsIn(answer),
      others: pods.filter((each) => each.metadata.uid !== pod.metadata.uid && isReady(each)).length,
      isAlone: pool.spec.bus.type === 'Memory',
      drain: pool.spec.drain,
      isPaused: pool.spec.paused,
    };
    await confirm(context, drainQuestion(facts), options);
    await place.evict(pod);
  }
  const ended = options.wait ? await untilGone(context, place, { pod, pool }) : undefined;
  const state = ended === undefined ? 'draining' : 'gone';
  await show(context, { gateway: name, pool: `${place.namespace}/${poolName}`, state }, () => [
    line(
      ended === undefined ? `${name} drains; kubectl barrage status ${poolName} shows its progress.` : `${name} is gone, after ${ended} s.`,
      'good',
    ),
  ]);
}

async function noGateway(place: ClusterPlace, name: string, isPod: boolean): Promise<CommandFault> {
  const pools = await place.pools();
  const known: string[] = [];
  for (const pool of pools)
    known.push(...(await place.pods(pool)).filter((pod) => roleOf(pod) === 'gateway').map(({ metadata }) => metadata.name));
  const shown = known.length > 20 ? `${known.slice(0, 20).join(', ')}, …` : known.join(', ') || 'none';
  return new CommandFault(
    'missing',
    `${name} is ${isPod ? 'a pod, but no gateway of a pool' : 'no pod'} in the namespace ${place.namespace}. Gateways there: ${shown}`,
  );
}

function connectionsIn(answer: ProcessAnswer | undefined): number | undefined {
  return answer?.kind === 'told' ? (answer.status?.connections ?? sumOf(answer.samples, 'barrage_gateway_connections')) : undefined;
}

/** @throws CommandFault where the user says no, or can't be asked */
async function confirm({ terminal }: Context, question: string, { yes }: DrainOptions): Promise<void> {
  if (yes === true) return;
  const answer = await terminal.confirmed(printable(question));
  if (answer === undefined) throw new CommandFault('usage', `${question} Nobody can be asked here: say --yes`);
  if (!answer) throw new CommandFault('usage', 'not confirmed: nothing was done');
}

/** Follows the drain. @returns the seconds that it took */
async function untilGone(
  context: Context,
  place: ClusterPlace,
  { pod, pool }: { readonly pod: ListedPod; readonly pool: GatewayPool },
): Promise<number> {
  const { terminal, now } = context;
  const { name, uid } = pod.metadata;
  const { drain: spec } = pool.spec;
  const since = performance.now();
  const giveUpMs = 1000 * (spec.propagationSeconds + spec.deadlineSeconds + 120);
  let said: number | undefined;
  for (;;) {
    const found = await place.findPod(name, uid);
    const seconds = Math.round((performance.now() - since) / 1000);
    if (found === undefined) return seconds;
    if (performance.now() - since > giveUpMs)
      throw new CommandFault(
        'failed',
        `${name} is not gone after ${seconds} s, though its drain ends by ${spec.deadlineSeconds} s: kubectl describe pod ${name}`,
      );
    const left = found.status?.phase === 'Running' ? connectionsIn(await place.questionPod(found, now)) : undefined;
    if (left !== undefined && left !== said) terminal.note(printable(`${name}: ${counted(left, 'connection')} left`));
    said = left ?? said;
    await wait(context, everyMs);
  }
}

/** Without Kubernetes: a signed command to the admin port, as the operator sends it. */
async function drainByCommand(context: Context, place: UrlPlace, options: DrainOptions): Promise<void> {
  const { terminal, now } = context;
  const { signingKeyFile: file, rate = '100', deadline = '60' } = options;
  if (file === undefined)
    throw new CommandFault(
      'usage',
      'without Kubernetes a gateway drains when its process gets SIGTERM (kill -TERM PID): within BARRAGE_DRAIN_MS. A gateway with BARRAGE_POOL_PUBLIC_KEY and an admin port also follows a command: give the private key with --signing-key-file',
    );
  const connectionsPerSecond = wholeNumber('--rate', rate, { least: 1, most: 100_000 });
  const deadlineSeconds = wholeNumber('--deadline', deadline, { least: 1, most: 86_400 });
  const key = { value: (await readBytes(file, bounds.secretBytesMax)).toString(), source: file };
  const [gateway] = await place.readings(now);
  const status = gateway?.answer.kind === 'told' ? gateway.answer.status : undefined;
  if (gateway === undefined || status === undefined) {
    const why =
      gateway?.answer.kind === 'silent'
        ? gateway.answer.why
        : 'it has no admin port: set BARRAGE_ADMIN_PORT, and name that port with --admin-url';
    throw new CommandFault('unreachable', `the gateway does not tell its status: ${why}`);
  }
  await confirm(
    context,
    `${gateway.name} has ${counted(status.connections, 'connection')}. It gives them up at ${connectionsPerSecond} a second, and takes no new ones. Drain it?`,
    options,
  );
  await place.drain({ command: 'drain', gateway: status.uid, issuedAt: now(), connectionsPerSecond, deadlineSeconds }, key);
  let left = status.connections;
  const since = performance.now();
  while (options.wait && left > 0 && performance.now() - since < 1000 * (deadlineSeconds + 30)) {
    await wait(context, everyMs);
    const [after] = await place.readings(now);
    const next = connectionsIn(after?.answer) ?? 0;
    if (next !== left) terminal.note(printable(`${gateway.name}: ${counted(next, 'connection')} left`));
    left = next;
  }
  await show(context, { gateway: gateway.name, state: left === 0 ? 'drained' : 'draining', connections: left }, () => [
    line(
      left === 0 ? `${gateway.name} is drained. Stop its process.` : `${gateway.name} drains: ${counted(left, 'connection')} left.`,
      'good',
    ),
  ]);
}
