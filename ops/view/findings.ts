import { advice, type AdviceName, type Severity } from './advice.ts';
import { samplesMax, type History } from './history.ts';
import { countedText, countText, durationText, percentText, secondsText } from './numbers.ts';
import type { SeriesName } from './series.ts';
import { shownName } from './names.ts';
import type { GatewayView, OperatorView, PoolView, ProcessView, PublisherView, RoomRow, Snapshot } from './snapshot.ts';

/** Something about a process or pool that its people should know. */
export interface Finding {
  /** Its advice, and the anchor on `/ops/help`. */
  readonly name: AdviceName;
  readonly severity: Severity;
  /** The finding with its figures, in one sentence. */
  readonly text: string;
}

/** The answer to “is it well?”. */
export interface Verdict {
  readonly state: 'well' | 'notice' | 'attention' | 'broken';
  readonly words: string;
  /** The worst first. */
  readonly findings: readonly Finding[];
}

type Recent = Pick<History, 'recent' | 'least' | 'lasting'>;

/** Seconds over which rates are looked at: one odd second is no finding. */
const recentSeconds = 10;
const order: readonly Severity[] = ['broken', 'attention', 'notice'];
/** Conditions that describe an activity: True is no fault. */
const activities: ReadonlySet<string> = new Set(['Progressing', 'Draining', 'ScalingActive', 'ScalingLimited', 'Paused', 'BusChanging']);

/** Judges a snapshot, with what the last seconds were like. */
export function judge(snapshot: Snapshot, history: Recent): Verdict {
  const findings = [
    ...ofProcess(snapshot.process, snapshot.gateway),
    ...ofBus(snapshot, history),
    ...(snapshot.gateway === undefined ? [] : ofGateway(snapshot.gateway, snapshot, history)),
    ...(snapshot.publisher === undefined ? [] : ofPublisher(snapshot.publisher, history)),
    ...(snapshot.operator === undefined ? [] : ofOperator(snapshot.operator, history)),
  ].toSorted((one, other) => order.indexOf(one.severity) - order.indexOf(other.severity));
  const count = (severity: Severity): number => findings.filter((finding) => finding.severity === severity).length;
  const [broken, attention] = [count('broken'), count('attention')];
  if (broken > 0) return { state: 'broken', words: broken === 1 ? 'One thing is broken' : `${broken} things are broken`, findings };
  if (attention > 0)
    return { state: 'attention', words: attention === 1 ? 'One thing needs attention' : `${attention} things need attention`, findings };
  if (findings.length > 0) return { state: 'notice', words: 'It is well, with a notice', findings };
  return { state: 'well', words: 'It is well', findings };
}

function finding(name: AdviceName, detail: string): Finding {
  const { severity, title } = advice[name];
  return { name, severity, text: detail === '' ? `${title}.` : `${title}: ${detail}` };
}

/** Since when a series is odd, as the end of a sentence. */
function since(history: Recent, name: SeriesName, isOdd: (value: number) => boolean = (value) => value > 0): string {
  const seconds = history.lasting(name, isOdd);
  if (seconds < 2) return '.';
  return seconds >= samplesMax ? ', for ten minutes or longer.' : `, for ${durationText(seconds * 1000)}.`;
}

/** The room that has most of something, as the end of a sentence. */
function most(rooms: readonly RoomRow[], of: (room: RoomRow) => number): string {
  const [first] = rooms.toSorted((one, other) => of(other) - of(one));
  return first === undefined || of(first) === 0 ? '' : `, most in ${shownName(first.channel)}`;
}

function ofProcess({ waitingFor }: ProcessView, gateway: GatewayView | undefined): readonly Finding[] {
  // The bus has a finding of its own, and so has a drain.
  const waits = waitingFor.filter((each) => !each.startsWith('the bus') && !each.startsWith('nothing'));
  const isLeaving = waitingFor.some((each) => each.startsWith('nothing'));
  const drain = gateway?.drain;
  const isDraining = isLeaving || (drain !== undefined && drain.state !== 'serving');
  return [
    ...(waits.length === 0 ? [] : [finding('not-ready', `it waits for ${waits.map(shownName).join('; ')}.`)]),
    ...(isDraining
      ? [
          finding(
            'draining',
            drain === undefined ? 'it is leaving.' : `${countedText(countText(drain.movedConnections), 'connection')} told to move.`,
          ),
        ]
      : []),
  ];
}

function ofBus({ bus }: Snapshot, history: Recent): readonly Finding[] {
  const failures = history.recent('appendFailures', recentSeconds) ?? 0;
  const gaps = history.recent('busGaps', recentSeconds) ?? 0;
  const waiting = history.least('subscriptionsWaiting', recentSeconds) ?? 0;
  return [
    ...(bus?.isUp === false
      ? [finding('bus-away', `${shownName(bus.fault ?? 'it does not answer')}${since(history, 'busUp', (up) => up === 0)}`)]
      : []),
    // Each room that opens waits for a moment.
    ...(bus?.isUp === true && waiting > 0 && waiting < Infinity
      ? [
          finding(
            'bus-subscriptions',
            `${countedText(countText(waiting), 'channel')} not confirmed${since(history, 'subscriptionsWaiting')}`,
          ),
        ]
      : []),
    ...(failures > 0 ? [finding('append-failures', `${countText(failures)} a second${since(history, 'appendFailures')}`)] : []),
    ...(gaps > 0
      ? [finding('bus-gaps', `${countedText(countText(Math.max(1, Math.round(gaps * recentSeconds))), 'room')} in ${recentSeconds} s.`)]
      : []),
  ];
}

function ofGateway(gateway: GatewayView, { figures }: Snapshot, history: Recent): readonly Finding[] {
  const recent = (name: Parameters<History['recent']>[0]): number => history.recent(name, recentSeconds) ?? 0;
  const connections = figures.connections ?? 0;
  const { connectionsMax, refused, busiestRooms, waitingClients } = gateway;
  const clients = waitingClients === 1 ? 'client waits' : 'clients wait';
  const waiting = waitingClients === 0 ? '' : `, ${countText(waitingClients)} ${clients}`;
  const share = connections / connectionsMax;
  const leftOut = recent('budget') + recent('conflated') + recent('expired');
  const [delivered, slow] = [recent('delivered'), recent('slow')];
  const offered = delivered + leftOut + slow;
  const reasons = Object.entries(refused).filter(([reason, perSecond]) => perSecond > 0 && reason !== 'unready');
  const of = `${countText(connections)} of ${countText(connectionsMax)} (BARRAGE_GATEWAY_CONNECTIONS_MAX)${since(history, 'connections', (count) => count >= 0.9 * connectionsMax)}`;
  return [
    ...(share >= 0.9 ? [finding(share >= 1 ? 'connections-full' : 'connections-near-full', of)] : []),
    ...(reasons.length > 0 && recent('refused') > 0
      ? [
          finding(
            'connections-refused',
            `${reasons.map(([reason, perSecond]) => `${reason} ${countText(perSecond)}/s`).join(', ')}${since(history, 'refused')}`,
          ),
        ]
      : []),
    ...(slow > 0 && slow >= offered / 1000
      ? [
          finding(
            'slow-clients',
            `${countText(slow)} a second, ${percentText(slow / offered)} of what is offered${waiting}${most(busiestRooms, (room) => room.lostPerSecond)}${since(history, 'slow')}`,
          ),
        ]
      : []),
    ...(leftOut > 0 && leftOut >= offered / 5
      ? [finding('left-out', `${percentText(leftOut / offered)} of what is offered${most(busiestRooms, (room) => room.leftOutPerSecond)}.`)]
      : []),
    ...(recent('latencyP99') > 1
      ? [finding('latency', `99 % within ${secondsText(recent('latencyP99'))}${since(history, 'latencyP99', (seconds) => seconds > 1)}`)]
      : []),
    ...(recent('busy') > 0.9
      ? [
          finding(
            'loop-busy',
            `${percentText(recent('busy'))}${most(busiestRooms, (room) => room.share)}${since(history, 'busy', (share) => share > 0.9)}`,
          ),
        ]
      : []),
    ...(recent('stretched') > 0
      ? [
          finding(
            'stretched',
            `${countedText(countText(Math.ceil(recent('stretched'))), 'room')}; fan-out would take ${percentText(recent('fanOut'))} and may take ${percentText(gateway.fanOutMax)}${most(busiestRooms, (room) => room.share)}${since(history, 'stretched')}`,
          ),
        ]
      : []),
  ];
}

function ofPublisher({ rejected }: PublisherView, history: Recent): readonly Finding[] {
  const recent = (name: Parameters<History['recent']>[0]): number => history.recent(name, recentSeconds) ?? 0;
  const refused = recent('rejected');
  const share = refused / (refused + recent('published'));
  const results = Object.entries(rejected).filter(([, perSecond]) => perSecond > 0);
  const named = results.length === 0 ? '' : ` (${results.map(([result]) => result).join(', ')})`;
  return [
    ...(refused > 0 && share >= 0.01
      ? [
          finding(
            'publications-refused',
            `${countText(refused)} a second${named}, ${percentText(share)} of all${since(history, 'rejected')}`,
          ),
        ]
      : []),
    ...(recent('publishP99') > 1
      ? [
          finding(
            'publish-latency',
            `99 % within ${secondsText(recent('publishP99'))}${since(history, 'publishP99', (seconds) => seconds > 1)}`,
          ),
        ]
      : []),
  ];
}

function ofOperator({ isLeader, leader, pools, pool }: OperatorView, history: Recent): readonly Finding[] {
  if (!isLeader) return [finding('stands-by', leader === '' ? 'no leader is known.' : `${shownName(leader)} leads.`)];
  const errors = history.recent('reconcileErrors', recentSeconds) ?? 0;
  return [
    ...pools.filter(({ isReady }) => !isReady).map(({ key, message }) => finding('pool-unready', `${shownName(key)}. ${message}`)),
    ...(pool === undefined ? [] : ofPool(pool)),
    ...(errors > 0 ? [finding('reconcile-errors', `${countText(errors)} a second${since(history, 'reconcileErrors')}`)] : []),
  ];
}

function ofPool({ key, conditions, gateways, documentEpoch }: PoolView): readonly Finding[] {
  const faults = conditions.filter(({ type, status }) => status === 'False' && type !== 'Ready' && !activities.has(type));
  const silent = gateways.filter(({ state }) => state === 'silent').map(({ name }) => name);
  const behind = gateways
    .filter(({ epoch, state }) => epoch !== undefined && epoch < documentEpoch && state === 'serving')
    .map(({ name }) => name);
  const few = (names: readonly string[]): string =>
    names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
  return [
    ...faults.map(({ type, message }) => finding('pool-condition', `${shownName(key)}, ${type} is False. ${message}`)),
    ...(silent.length > 0 ? [finding('gateways-silent', `${few(silent)}.`)] : []),
    ...(behind.length > 0 ? [finding('gateways-behind', `${few(behind)}.`)] : []),
  ];
}
