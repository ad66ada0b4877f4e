import { counted } from '../../core/counted.ts';
import type { GatewayPool } from '../../operator/api/gateway-pool.ts';
import { storedConditions } from '../../operator/decide/conditions.ts';
import { isPublishing } from '../../operator/decide/observed.ts';
import { duration } from './figures.ts';
import { explain, isCalm, type Explanation } from './explanation.ts';
import type { PoolEvent, PoolFacts } from './observation.ts';
import { sumsBy } from './samples.ts';
import { line, table, type Line } from './table.ts';
import { gatewayRows, gatewayTable, stateOf, totalLine, type GatewayRow } from './top.ts';

/** The page of `status POOL`, as data. */
export interface PoolPage {
  readonly pool: string;
  readonly bus: string;
  readonly scaling: string;
  readonly explanation: Explanation;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
    readonly isCalm: boolean;
  }[];
  readonly gateways: readonly GatewayRow[];
  readonly publishers: { readonly present: number; readonly ready: number; readonly faults: readonly string[] };
  /** Publications × members that were not sent, by reason, since the gateways started. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly channels: readonly { readonly name: string; readonly pattern: string; readonly isInForce: boolean; readonly why: string }[];
  readonly events: readonly PoolEvent[] | string;
}

/** Events on the page: the newest. */
const eventsShown = 10;

export function poolPage(facts: PoolFacts): PoolPage {
  const { pool, readings, before, channels, events, now } = facts;
  const publishers = readings.filter(({ role }) => role === 'publisher');
  const samples = readings.flatMap(({ role, answer }) => (role === 'gateway' && answer.kind === 'told' ? answer.samples : []));
  return {
    pool: `${pool.metadata.namespace}/${pool.metadata.name}`,
    bus: busWords(pool),
    scaling: scalingWords(pool),
    explanation: explain(facts),
    conditions: storedConditions(pool.status ?? {}).map((condition) => {
      const { type, status, reason, message } = condition;
      return { type, status, reason, message, isCalm: isCalm(condition) };
    }),
    gateways: gatewayRows(readings, before, now),
    publishers: {
      present: publishers.length,
      ready: publishers.filter(({ observed }) => observed !== undefined && isPublishing(observed)).length,
      faults: publishers.flatMap((reading) => {
        const { observed } = reading;
        return observed === undefined || isPublishing(observed) ? [] : [`${reading.name}: ${stateOf(reading).state}`];
      }),
    },
    dropped: Object.fromEntries(
      [...sumsBy(samples, 'barrage_gateway_publications_dropped_total', 'reason')].filter(([, count]) => count > 0),
    ),
    channels: channels.map(({ metadata, spec, status }) => {
      const conditions = status?.conditions ?? [];
      const doubt = conditions.find(({ status: state }) => state !== 'True');
      return {
        name: metadata.name,
        pattern: spec.channel,
        isInForce: conditions.length > 0 && doubt === undefined,
        why: doubt === undefined ? (conditions.length === 0 ? 'the operator has not seen it' : '') : `${doubt.reason}: ${doubt.message}`,
      };
    }),
    events: typeof events === 'string' ? events : events.toSorted((a, b) => b.at - a.at).slice(0, eventsShown),
  };
}

function busWords({ spec }: GatewayPool): string {
  const { redis } = spec.bus;
  if (spec.bus.type === 'Memory' || redis === undefined) return 'Memory (one gateway, which also publishes)';
  const { mode, addresses, tls } = redis;
  const more = addresses.length > 3 ? ` and ${addresses.length - 3} more` : '';
  return `Redis ${mode} at ${addresses.slice(0, 3).join(', ')}${more}${tls === undefined ? '' : ', by TLS'}`;
}

function scalingWords({ spec }: GatewayPool): string {
  const { type, connections } = spec.scaling;
  if (type !== 'Connections' || connections === undefined) return `${type}, spec.replicas ${spec.replicas}`;
  const { minReplicas, maxReplicas, targetConnectionsPerPod, bufferPercent } = connections;
  return `${minReplicas} to ${counted(maxReplicas, 'gateway')}, ${counted(targetConnectionsPerPod, 'connection')} each, ${bufferPercent} % spare`;
}

/** @param now Unix milliseconds */
export function poolPageLines(page: PoolPage, now: number): readonly Line[] {
  const { explanation, conditions, publishers, dropped, channels, events } = page;
  const { size } = explanation;
  const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  const odd = conditions.filter((condition) => !condition.isCalm);
  const droppedWords = Object.entries(dropped)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ');
  const leaving = size.leaving === 0 ? '' : `, ${size.leaving} leaving`;
  return [
    line(`${page.pool}: ${isReady ? 'ready' : 'not ready'}`, isReady ? 'good' : 'bad'),
    line(`Bus         ${page.bus}`),
    line(`Gateways    ${size.desired} desired, ${size.present} present, ${size.ready} ready${leaving}`),
    line(`Scaling     ${page.scaling}`),
    line(`Why         ${explanation.why}`),
    ...(publishers.present > 0 ? [line(`Publishers  ${publishers.ready} of ${publishers.present} ready`)] : []),
    ...publishers.faults.map((fault) => line(`            ${fault}`, 'bad')),
    line(`Traffic     ${totalLine(page.gateways).text}`),
    line(
      `Left out    ${droppedWords === '' ? 'nothing since the gateways started' : `${droppedWords} (publications × members, since the gateways started)`}`,
    ),
    line(''),
    line('What it waits for', 'heading'),
    ...(explanation.waitsFor.length === 0 ? [line('  Nothing.', 'good')] : explanation.waitsFor.map((each) => line(`  - ${each}`))),
    line(''),
    ...gatewayTable(page.gateways),
    line(''),
    line('Conditions', 'heading'),
    ...odd.map(({ type, status, reason, message }) =>
      line(`  ${type} ${status} (${reason}): ${message}`, type === 'Ready' || status === 'Unknown' ? 'bad' : 'plain'),
    ),
    line(
      `  As in a settled pool: ${
        conditions
          .filter((condition) => condition.isCalm)
          .map(({ type }) => type)
          .join(', ') || 'none'
      }`,
      'quiet',
    ),
    line(''),
    ...channelLines(channels),
    ...eventLines(events, now),
  ];
}

function channelLines(channels: PoolPage['channels']): readonly Line[] {
  if (channels.length === 0) return [line('Policies: none; every channel has the defaults.', 'quiet'), line('')];
  const off = channels.filter(({ isInForce }) => !isInForce);
  return [
    line(`Policies: ${counted(channels.length, 'BarrageChannel')}, ${channels.length - off.length} in force`),
    ...off.slice(0, 20).map(({ name, pattern, why }) => line(`  ${name} (${pattern}): ${why}`, 'bad')),
    line(''),
  ];
}

function eventLines(events: PoolPage['events'], now: number): readonly Line[] {
  if (typeof events === 'string') return [line(`Events: ${events}`, 'bad')];
  if (events.length === 0) return [line('Events: none in the last hour.', 'quiet')];
  const rows = table(
    [
      { title: 'LAST', text: ({ at }: PoolEvent) => duration(now - at) },
      { title: 'TYPE', text: ({ type }) => type },
      { title: 'EVENT', text: ({ reason }) => reason },
      { title: 'TIMES', align: 'right', text: ({ times }) => String(times) },
      { title: 'MESSAGE', text: ({ message }) => message },
    ],
    events,
    ({ type }) => (type === 'Warning' ? 'bad' : 'plain'),
  );
  return rows;
}
