import { countedText, countText, bytesText, durationText, percentText, secondsText, shortText, unknown } from './numbers.ts';
import { shownName } from './names.ts';
import { marked, numberCell, type Cell, type Fact, type Panel } from './panel.ts';
import { poolPanels } from './pool-panels.ts';
import type { BusView, ClientRow, GatewayView, PublisherView, RoomRow, Snapshot } from './snapshot.ts';

/** Everything below the tiles of a page, in order. */
export function panelsOf(snapshot: Snapshot): readonly Panel[] {
  const { gateway, publisher, bus, operator } = snapshot;
  return [
    ...(gateway === undefined || gateway.drain.state === 'serving' ? [] : [drainPanel(gateway, snapshot)]),
    ...(operator === undefined ? [] : poolPanels(operator, snapshot.at)),
    ...(gateway === undefined
      ? []
      : [roomsPanel(gateway), dropsPanel(snapshot), ...(bus === undefined ? [] : [busPanel(bus, snapshot)]), clientsPanel(gateway)]),
    ...(gateway === undefined && bus !== undefined ? [busPanel(bus, snapshot)] : []),
    ...(publisher === undefined ? [] : [publisherPanel(publisher, snapshot)]),
    ...(gateway === undefined ? [] : [connectionsPanel(gateway, snapshot)]),
    // Only where somebody has pulled.
    ...(gateway === undefined || (snapshot.figures.pullCache ?? 0) === 0 ? [] : [pullPanel(snapshot)]),
  ];
}

function pullPanel({ figures }: Snapshot): Panel {
  const tooMany = (value: number | null | undefined): object => marked((value ?? 0) > 0);
  return {
    kind: 'facts',
    id: 'pull',
    title: 'Pull',
    facts: [
      { name: 'Requests', value: `${countText(figures.pulled)}/s` },
      { name: 'Refused as too many', value: `${countText(figures.pullLimited)}/s`, ...tooMany(figures.pullLimited) },
      { name: 'Reads of the bus', value: `${countText(figures.pullReads)}/s` },
      { name: 'Reads refused', value: `${countText(figures.pullReadsRefused)}/s`, ...tooMany(figures.pullReadsRefused) },
      { name: 'Encoded documents', value: bytesText(figures.pullCache) },
    ],
  };
}

function drainPanel({ drain }: GatewayView, { at, figures }: Snapshot): Panel {
  const left = figures.connections ?? 0;
  const whole = Math.max(1, left + drain.movedConnections);
  return {
    kind: 'facts',
    id: 'drain',
    title: 'Drain',
    isWide: true,
    progress: {
      share: drain.state === 'drained' ? 1 : 1 - left / whole,
      words: drain.state === 'drained' ? 'No connection is left' : `${countedText(countText(left), 'connection')} left`,
    },
    facts: [
      { name: 'State', value: drain.state },
      { name: 'Told to move or closed', value: countText(drain.movedConnections) },
      { name: 'Since', value: drain.startedAt === undefined ? unknown : durationText(at - drain.startedAt) },
    ],
  };
}

function roomsPanel({ busiestRooms }: GatewayView): Panel {
  const most = Math.max(1, ...busiestRooms.map(({ publicationsPerSecond, members }) => publicationsPerSecond * members));
  return {
    kind: 'table',
    id: 'rooms',
    title: 'Rooms by load',
    about: 'The channels with the most publications × members a second, then the most members.',
    isWide: true,
    columns: [
      { title: 'Channel', kind: 'text' },
      { title: 'Members', kind: 'number' },
      { title: 'In /s', kind: 'number' },
      { title: 'Out /s', kind: 'number' },
      { title: 'Payload', kind: 'number', isMinor: true },
      { title: 'Window', kind: 'number', isMinor: true },
      { title: 'Left out /s', kind: 'number', isMinor: true },
      { title: 'Lost /s', kind: 'number' },
      { title: 'CPU', kind: 'number' },
    ],
    rows: busiestRooms.map((room) => ({ key: room.channel, cells: roomCells(room, most) })),
    empty: 'No client is subscribed to a channel here.',
  };
}

function roomCells(room: RoomRow, most: number): readonly Cell[] {
  const { channel, members, fullMembers, publicationsPerSecond, bytesPerSecond, windowMs, share, leftOutPerSecond, lostPerSecond } = room;
  const out = publicationsPerSecond * members;
  return [
    { text: shownName(channel), hint: shownName(channel) },
    numberCell(
      fullMembers > 0 ? `${countText(members)}, ${countText(fullMembers)} full` : countText(members),
      members,
      marked(fullMembers > 0),
    ),
    numberCell(countText(publicationsPerSecond), publicationsPerSecond),
    numberCell(shortText(out), out, { bar: out / most }),
    numberCell(`${bytesText(bytesPerSecond)}/s`, bytesPerSecond),
    numberCell(`${countText(windowMs)} ms`, windowMs),
    numberCell(shortText(leftOutPerSecond), leftOutPerSecond),
    numberCell(shortText(lostPerSecond), lostPerSecond, marked(lostPerSecond > 0)),
    numberCell(percentText(share), share),
  ];
}

const reasons = [
  ['budget', 'left out', "more than the policy's budget"],
  ['conflated', 'left out', 'replaced by a newer one, or summed'],
  ['expired', 'left out', 'older than their time to live'],
  ['recalled', 'left out', 'taken back before it was sent'],
  ['slow', 'lost', 'the client reads too slowly'],
  ['disconnected', 'lost', 'the client was gone before its turn'],
] as const;

function dropsPanel({ figures }: Snapshot): Panel {
  const offered = (figures.delivered ?? 0) + reasons.reduce((sum, [name]) => sum + (figures[name] ?? 0), 0);
  return {
    kind: 'table',
    id: 'drops',
    title: 'Not delivered, by reason',
    about: "Publications × members a second. What is left out is a policy's wish; what is lost is told as a gap.",
    columns: [
      { title: 'Reason', kind: 'text' },
      { title: 'Meaning', kind: 'text', isMinor: true },
      { title: 'Rate /s', kind: 'number' },
      { title: 'Share', kind: 'number' },
    ],
    rows: reasons.map(([name, kind, meaning]) => {
      const rate = figures[name];
      const share = offered > 0 ? (rate ?? 0) / offered : 0;
      const level = marked(kind === 'lost' && (rate ?? 0) > 0);
      return {
        key: name,
        cells: [
          { text: name },
          { text: `${kind}: ${meaning}` },
          numberCell(shortText(rate), rate, level),
          numberCell(percentText(share), share, { bar: share }),
        ],
      };
    }),
    empty: '',
  };
}

function clientsPanel({ slowestClients, waitingClients }: GatewayView): Panel {
  const most = Math.max(1, ...slowestClients.map(({ waitingBytes }) => waitingBytes));
  return {
    kind: 'table',
    id: 'clients',
    title: 'Slowest clients',
    about:
      waitingClients === 0
        ? 'The clients with the most bytes that wait for them.'
        : `The clients with the most bytes that wait for them, of ${countText(waitingClients)} with any.`,
    isWide: true,
    columns: [
      { title: 'Client', kind: 'text' },
      { title: 'User', kind: 'text' },
      { title: 'Waiting', kind: 'number' },
      { title: 'Address', kind: 'text', isMinor: true },
      { title: 'Channel', kind: 'text' },
      { title: 'Protocol', kind: 'text', isMinor: true },
      { title: 'Last heard', kind: 'number', isMinor: true },
    ],
    rows: slowestClients.map((client) => ({ key: String(client.id), cells: clientCells(client, most) })),
    empty: 'Every client takes what is sent: nothing waits.',
  };
}

function clientCells(
  { id, user, address, protocol, waitingBytes, isFull, channels, channel, silentMs }: ClientRow,
  most: number,
): readonly Cell[] {
  const others = channels > 1 ? ` and ${channels - 1} more` : '';
  return [
    { text: String(id) },
    { text: user === undefined ? unknown : shownName(user) },
    numberCell(isFull ? `${bytesText(waitingBytes)}, full` : bytesText(waitingBytes), waitingBytes, {
      bar: waitingBytes / most,
      ...marked(isFull),
    }),
    { text: address === undefined ? unknown : shownName(address) },
    { text: channel === undefined ? unknown : `${shownName(channel)}${others}` },
    { text: protocol },
    numberCell(`${durationText(silentMs)} ago`, silentMs),
  ];
}

function busPanel(bus: BusView, { figures }: Snapshot): Panel {
  const failures = Object.entries(bus.appendFailures).map(([reason, count]) => `${reason} ${countText(count)}`);
  const others = bus.listening?.map(({ id, up }) => `${shownName(id)} ${up ? 'up' : 'away'}`) ?? [];
  const remote: readonly Fact[] = [
    { name: 'Channels in force', value: countText(bus.subscriptionsInForce) },
    { name: 'Channels waiting', value: countText(bus.subscriptionsWaiting), ...marked(bus.subscriptionsWaiting > 0) },
    { name: 'Appends waiting', value: countText(figures.appendsWaiting) },
    {
      name: 'Append failures',
      value: failures.length === 0 ? 'none since the start' : failures.join(', '),
      ...marked((figures.appendFailures ?? 0) > 0),
    },
    {
      name: 'Connection errors',
      value: bus.connectionErrors === 0 ? 'none since the start' : `${countText(bus.connectionErrors)} since the start`,
    },
  ];
  return {
    kind: 'facts',
    id: 'bus',
    title: 'Bus',
    facts: [
      { name: 'State', value: bus.isUp ? 'up' : `away: ${shownName(bus.fault ?? '')}`, ...marked(!bus.isUp, 'broken') },
      { name: 'Kind', value: bus.isMemory ? 'in the memory of this process' : 'Redis' },
      ...(bus.publishTo === undefined
        ? []
        : [{ name: 'Publishes to', value: bus.publishTo === '' ? "none of this process's buses" : shownName(bus.publishTo) }]),
      ...(others.length === 0 ? [] : [{ name: 'Listens to', value: others.join(', ') }]),
      ...(bus.isMemory ? [] : remote),
    ],
  };
}

function publisherPanel({ rejected, apiConnections, requestBytes }: PublisherView, { figures }: Snapshot): Panel {
  const results = Object.entries(rejected).filter(([, perSecond]) => perSecond > 0);
  return {
    kind: 'facts',
    id: 'publisher',
    title: 'Publisher',
    facts: [
      { name: 'Accepted', value: `${countText(figures.published)}/s` },
      {
        name: 'Refused',
        value: results.length === 0 ? 'none' : results.map(([result, perSecond]) => `${result} ${countText(perSecond)}/s`).join(', '),
        ...marked(results.length > 0),
      },
      { name: 'Answered within', value: `${secondsText(figures.publishP50)} (half), ${secondsText(figures.publishP99)} (99 %)` },
      { name: 'WebSocket API', value: countedText(countText(apiConnections), 'connection') },
      { name: 'Requests under way', value: bytesText(requestBytes) },
    ],
  };
}

function connectionsPanel({ connectionsMax, refused }: GatewayView, { figures }: Snapshot): Panel {
  const refusals = Object.entries(refused).filter(([, perSecond]) => perSecond > 0);
  return {
    kind: 'facts',
    id: 'connections',
    title: 'Connections',
    facts: [
      { name: 'Open', value: `${countText(figures.connections)} of ${countText(connectionsMax)}` },
      { name: 'Subscriptions', value: countText(figures.subscriptions) },
      {
        name: 'Refused',
        value: refusals.length === 0 ? 'none' : refusals.map(([reason, perSecond]) => `${reason} ${countText(perSecond)}/s`).join(', '),
        ...marked(refusals.length > 0),
      },
      { name: 'Closed here', value: `${countText(figures.closed)}/s` },
      { name: 'Waiting in queues', value: `${shortText(figures.pending)} publications × members` },
    ],
  };
}
