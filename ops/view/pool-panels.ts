import { countText, bytesText, durationText, percentText, unknown } from './numbers.ts';
import { shownName } from './names.ts';
import { marked, numberCell, type Cell, type Panel } from './panel.ts';
import type { Severity } from './advice.ts';
import type { GatewayRow, OperatorView, PlacedChannel, PoolRow, PoolView, PublisherRow, ScalingView } from './snapshot.ts';

/** The panels of an operator: its pools, and everything about the chosen one. */
export function poolPanels({ isLeader, pools, poolCount, pool }: OperatorView, at: number): readonly Panel[] {
  if (!isLeader) return [];
  return [
    ...(pools.length === 1 && pool !== undefined ? [] : [poolsPanel(pools, poolCount, pool?.key)]),
    ...(pool === undefined
      ? []
      : [
          ...(pool.scaling === undefined ? [] : [scalingPanel(pool, pool.scaling, at)]),
          conditionsPanel(pool),
          gatewaysPanel(pool),
          channelsPanel(pool),
          publishersPanel(pool),
        ]),
  ];
}

/** The address of a pool's page. */
export function poolLink(key: string): string {
  return `/ops?pool=${encodeURIComponent(key)}`;
}

function poolsPanel(pools: readonly PoolRow[], poolCount: number, chosen: string | undefined): Panel {
  const beyond = poolCount - pools.length;
  return {
    kind: 'table',
    id: 'pools',
    title: 'Pools',
    about:
      beyond > 0
        ? `The first ${countText(pools.length)} of ${countText(poolCount)} pools.`
        : 'Choose one to see its gateways side by side.',
    isWide: true,
    isSortable: true,
    columns: [
      { title: 'Pool', kind: 'text' },
      { title: 'Ready', kind: 'text' },
      { title: 'Connections', kind: 'number' },
      { title: 'Gateways', kind: 'number' },
      { title: 'Draining', kind: 'number', isMinor: true },
      { title: 'Message', kind: 'text', isMinor: true },
    ],
    rows: pools.map(({ key, connections, ready, desired, draining, isReady, message }) => ({
      key,
      isChosen: key === chosen,
      cells: [
        { text: shownName(key), link: poolLink(key) },
        { text: isReady ? 'yes' : 'no', ...marked(!isReady, 'broken') },
        numberCell(countText(connections), connections),
        numberCell(`${countText(ready)} of ${countText(desired)}`, ready),
        numberCell(countText(draining), draining),
        { text: message, hint: message },
      ],
    })),
    empty: 'There is no GatewayPool in the namespaces that this operator watches.',
  };
}

function scalingPanel({ gateways }: PoolView, { at: decidedAt, desired, reason, limited, type }: ScalingView, at: number): Panel {
  const serving = gateways.filter(({ state }) => state === 'serving').length;
  return {
    kind: 'facts',
    id: 'scaling',
    title: 'Scaling',
    words: `${countText(desired)} ${desired === 1 ? 'gateway' : 'gateways'}, because ${reason}.`,
    facts: [
      { name: 'Serving', value: `${countText(serving)} of ${countText(desired)}`, ...marked(serving < desired) },
      { name: 'By', value: type },
      ...(limited === undefined ? [] : [{ name: 'Limited by', value: `${limited}Replicas`, ...marked(true) }]),
      { name: 'Decided', value: `${durationText(at - decidedAt)} ago` },
    ],
  };
}

/** Types whose False is good, or just a state. */
const activities: ReadonlySet<string> = new Set(['Progressing', 'Draining', 'ScalingActive', 'ScalingLimited', 'Paused', 'BusChanging']);

function conditionsPanel({ conditions }: PoolView): Panel {
  const level = (type: string, status: string): Severity | undefined => {
    if (activities.has(type)) return type === 'ScalingLimited' && status === 'True' ? 'attention' : undefined;
    return status === 'False' ? (type === 'Ready' ? 'broken' : 'attention') : undefined;
  };
  const sorted = conditions.toSorted(
    (one, other) => Number(level(other.type, other.status) !== undefined) - Number(level(one.type, one.status) !== undefined),
  );
  return {
    kind: 'table',
    id: 'conditions',
    title: 'Conditions',
    about: "The pool's status, faults first.",
    columns: [
      { title: 'Condition', kind: 'text' },
      { title: 'Status', kind: 'text' },
      { title: 'Message', kind: 'text' },
    ],
    rows: sorted.map(({ type, status, reason, message }) => {
      const own = level(type, status);
      return {
        key: type,
        cells: [
          { text: type, hint: reason },
          { text: status, ...(own === undefined ? {} : { level: own }) },
          { text: message, hint: message },
        ],
      };
    }),
    empty: 'The operator has not written the status yet.',
  };
}

const levels: Readonly<Partial<Record<GatewayRow['state'], Severity>>> = {
  silent: 'attention',
  'not ready': 'attention',
  draining: 'notice',
  leaving: 'notice',
};

function gatewaysPanel({ gateways, documentEpoch }: PoolView): Panel {
  const most = Math.max(1, ...gateways.map(({ connections }) => connections ?? 0));
  return {
    kind: 'table',
    id: 'gateways',
    title: 'Gateways side by side',
    about: `By their last answers. The newest pool document is ${countText(documentEpoch)}.`,
    isWide: true,
    isSortable: true,
    columns: [
      { title: 'Gateway', kind: 'text' },
      { title: 'State', kind: 'text' },
      { title: 'Connections', kind: 'number' },
      { title: 'Loop', kind: 'number' },
      { title: 'Sent', kind: 'number' },
      { title: 'Rooms', kind: 'number', isMinor: true },
      { title: 'Weight', kind: 'number', isMinor: true },
      { title: 'Document', kind: 'number', isMinor: true },
      { title: 'Template', kind: 'text', isMinor: true },
      { title: 'Zone', kind: 'text', isMinor: true },
      { title: 'Answered', kind: 'number', isMinor: true },
    ],
    rows: gateways.map((gateway) => ({ key: gateway.name, cells: gatewayCells(gateway, most, documentEpoch) })),
    empty: 'There is no gateway yet.',
  };
}

function gatewayCells(gateway: GatewayRow, most: number, documentEpoch: number): readonly Cell[] {
  const { name, state, why, ageMs, connections, rooms, busy, bytesPerSecond, epoch, zone, node, weight, movedConnections, isUpdated } =
    gateway;
  const moved = state === 'draining' && movedConnections !== undefined ? `: ${countText(movedConnections)} moved` : '';
  const because = why === undefined ? '' : `: ${shownName(why)}`;
  const level = levels[state];
  return [
    { text: shownName(name), ...(node === undefined ? {} : { hint: `on ${shownName(node)}` }) },
    { text: `${state}${moved}${because}`, sort: state, ...(level === undefined ? {} : { level }) },
    numberCell(countText(connections), connections, connections === undefined ? {} : { bar: connections / most }),
    numberCell(percentText(busy), busy, busy === undefined ? {} : { bar: busy, ...marked(busy > 0.9) }),
    numberCell(bytesPerSecond === undefined ? unknown : `${bytesText(bytesPerSecond)}/s`, bytesPerSecond),
    numberCell(countText(rooms), rooms),
    numberCell(countText(weight), weight),
    numberCell(
      countText(epoch),
      epoch,
      epoch !== undefined && epoch < documentEpoch ? { level: 'notice', hint: 'older than the newest' } : {},
    ),
    { text: isUpdated ? 'newest' : 'older' },
    { text: zone === undefined ? unknown : shownName(zone) },
    numberCell(ageMs === undefined ? 'never' : `${durationText(ageMs)} ago`, ageMs, marked(ageMs !== undefined && ageMs > 10_000)),
  ];
}

function channelsPanel({ channels }: PoolView): Panel {
  return {
    kind: 'table',
    id: 'channels',
    title: 'Placement of the largest channels',
    about: 'As far as the gateways tell: each names its twenty largest.',
    isWide: true,
    columns: [
      { title: 'Channel', kind: 'text' },
      { title: 'Members', kind: 'number' },
      { title: 'Gateways', kind: 'number' },
      { title: 'Placed on', kind: 'text' },
      { title: 'Of them there', kind: 'number' },
    ],
    rows: channels.map((channel) => ({ key: channel.channel, cells: channelCells(channel) })),
    empty: 'No gateway tells of a channel with members.',
  };
}

function channelCells({ channel, members, gateways, home, atHome }: PlacedChannel): readonly Cell[] {
  const share = members === 0 ? 0 : atHome / members;
  return [
    { text: shownName(channel), hint: shownName(channel) },
    numberCell(countText(members), members),
    numberCell(countText(gateways), gateways),
    { text: home === undefined ? unknown : shownName(home) },
    numberCell(percentText(share), share, { bar: share }),
  ];
}

function publishersPanel({ publishers }: PoolView): Panel {
  return {
    kind: 'table',
    id: 'publishers',
    title: 'Publishers',
    about: 'By their last answers.',
    columns: [
      { title: 'Publisher', kind: 'text' },
      { title: 'Ready', kind: 'text' },
      { title: 'Loop', kind: 'number' },
      { title: 'Document', kind: 'number', isMinor: true },
      { title: 'Answered', kind: 'number', isMinor: true },
    ],
    rows: publishers.map((publisher) => ({ key: publisher.name, cells: publisherCells(publisher) })),
    empty: 'This pool has no publishers of its own: its bus is in memory.',
  };
}

function publisherCells({ name, isReady, ageMs, busy, epoch }: PublisherRow): readonly Cell[] {
  return [
    { text: shownName(name) },
    { text: isReady ? 'yes' : 'no', ...marked(!isReady) },
    numberCell(percentText(busy), busy, busy === undefined ? {} : { bar: busy }),
    numberCell(countText(epoch), epoch),
    numberCell(ageMs === undefined ? 'never' : `${durationText(ageMs)} ago`, ageMs),
  ];
}
