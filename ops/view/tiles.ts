import { bytesText, countedText, countText, figureText, percentText, secondsText, shortText } from './numbers.ts';
import { seriesUnits, type Figures, type SeriesName } from './series.ts';
import type { Snapshot } from './snapshot.ts';

/** One figure of the page, large, with its last ten minutes. */
export interface Tile {
  readonly id: string;
  readonly title: string;
  readonly value: string;
  /** Behind the value, smaller. */
  readonly unit: string;
  /** Below the value. */
  readonly note: string;
  /** The series whose sum is drawn. */
  readonly series: readonly SeriesName[];
  /** The value at the upper edge of the drawing, where it has a natural one. */
  readonly top?: number;
  /** Colour of the drawing. */
  readonly tone: 'plain' | 'bad' | 'cost';
}

/** The tiles of a page, in order. */
export function tilesOf(snapshot: Snapshot): readonly Tile[] {
  const { gateway, publisher, operator, figures } = snapshot;
  if (operator !== undefined) return operator.isLeader ? operatorTiles(figures) : [loopTile(figures)];
  return [
    ...(gateway === undefined ? [] : gatewayTiles(figures, gateway.connectionsMax)),
    ...(publisher === undefined ? [] : publisherTiles(figures, gateway === undefined)),
    // A gateway alone has a place for it; with a publisher its panel has the figure.
    ...(gateway === undefined || publisher !== undefined ? [] : [queuesTile(figures)]),
    loopTile(figures),
  ];
}

function sumOf(figures: Figures, names: readonly SeriesName[]): number | null {
  const known = names.map((name) => figures[name]).filter((value) => typeof value === 'number');
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

function gatewayTiles(figures: Figures, connectionsMax: number): readonly Tile[] {
  const leftOut = ['budget', 'conflated', 'expired', 'recalled'] as const;
  const lost = ['slow', 'disconnected'] as const;
  const rate = (value: number | null | undefined): string => shortText(value);
  return [
    {
      id: 'connections',
      title: 'Connections',
      value: countText(figures.connections),
      unit: `of ${shortText(connectionsMax)}`,
      note: `${countedText(countText(figures.subscriptions), 'subscription')}, ${countedText(countText(figures.rooms), 'room')}`,
      series: ['connections'],
      tone: 'plain',
    },
    {
      id: 'delivered',
      title: 'Delivered',
      value: rate(figures.delivered),
      unit: '/s',
      note: `${bytesText(figures.bytes)}/s in ${shortText(figures.frames)} frames/s`,
      series: ['delivered'],
      tone: 'plain',
    },
    {
      id: 'merge',
      title: 'Merge',
      value: figureText('mean', figures.merged),
      unit: 'a flush',
      note: `${rate(figures.received)}/s in, ${rate(figures.flushes)} flushes/s, window ${secondsText(figures.window)}`,
      series: ['merged'],
      tone: 'plain',
    },
    {
      id: 'latency',
      title: 'Delivery, 99 %',
      value: secondsText(figures.latencyP99),
      unit: '',
      note: `half within ${secondsText(figures.latencyP50)}`,
      series: ['latencyP99'],
      tone: 'cost',
    },
    {
      id: 'left-out',
      title: 'Left out',
      value: rate(sumOf(figures, leftOut)),
      unit: '/s',
      note: 'on purpose, by a policy',
      series: leftOut,
      tone: 'cost',
    },
    {
      id: 'lost',
      title: 'Lost',
      value: rate(sumOf(figures, lost)),
      unit: '/s',
      note: `slow ${rate(figures.slow)}/s, gone ${rate(figures.disconnected)}/s`,
      series: lost,
      tone: 'bad',
    },
  ];
}

function publisherTiles(figures: Figures, isAlone: boolean): readonly Tile[] {
  const shared: readonly Tile[] = [
    {
      id: 'published',
      title: 'Published',
      value: shortText(figures.published),
      unit: '/s',
      note: `${shortText(figures.rejected)}/s refused, 99 % within ${secondsText(figures.publishP99)}`,
      series: ['published'],
      tone: 'plain',
    },
  ];
  if (!isAlone) return shared;
  return [
    ...shared,
    {
      id: 'rejected',
      title: 'Refused',
      value: shortText(figures.rejected),
      unit: '/s',
      note: 'publications with an error',
      series: ['rejected'],
      tone: 'bad',
    },
    {
      id: 'publish',
      title: 'Answered, 99 %',
      value: secondsText(figures.publishP99),
      unit: '',
      note: `half within ${secondsText(figures.publishP50)}`,
      series: ['publishP99'],
      tone: 'cost',
    },
    {
      id: 'waiting',
      title: 'Wait for the bus',
      value: countText(figures.appendsWaiting),
      unit: '',
      note: `${shortText(figures.appendFailures)}/s could not be appended`,
      series: ['appendsWaiting'],
      tone: 'cost',
    },
  ];
}

function operatorTiles(figures: Figures): readonly Tile[] {
  return [
    {
      id: 'connections',
      title: 'Connections',
      value: countText(figures.connections),
      unit: '',
      note: countedText(shortText(figures.subscriptions), 'subscription'),
      series: ['connections'],
      tone: 'plain',
    },
    {
      id: 'ready',
      title: 'Gateways serving',
      value: countText(figures.ready),
      unit: `of ${countText(figures.desired)}`,
      note: `${countText(figures.draining)} draining`,
      series: ['ready'],
      tone: 'plain',
    },
    {
      id: 'bytes',
      title: 'Sent',
      value: bytesText(figures.bytes),
      unit: '/s',
      note: countedText(shortText(figures.rooms), 'room'),
      series: ['bytes'],
      tone: 'plain',
    },
    {
      id: 'reconciles',
      title: 'Reconciles',
      value: shortText(figures.reconciles),
      unit: '/s',
      note: `${shortText(figures.reconcileErrors)}/s failed`,
      series: ['reconciles'],
      tone: 'plain',
    },
    loopTile(figures),
  ];
}

function queuesTile(figures: Figures): Tile {
  return {
    id: 'pending',
    title: 'Waiting in queues',
    value: shortText(figures.pending),
    unit: '',
    note: 'publications × members',
    series: ['pending'],
    tone: 'cost',
  };
}

function loopTile(figures: Figures): Tile {
  const fanOut = figures.fanOut === undefined ? '' : `fan-out ${percentText(figures.fanOut)}, `;
  return {
    id: 'busy',
    title: 'Event loop',
    value: percentText(figures.busy),
    unit: 'busy',
    note: `${fanOut}${bytesText(figures.memory)} of memory`,
    series: ['busy'],
    top: 1,
    tone: 'cost',
  };
}

/** The values of a tile's drawing: the sums of its series. NaN where none of them has a value. */
export function drawnValues(series: readonly SeriesName[], valuesOf: (name: SeriesName) => Float32Array): Float32Array {
  const [first = new Float32Array(0), ...others] = series.map(valuesOf);
  const sums = Float32Array.from(first);
  for (const other of others)
    for (const [index, value] of other.entries()) {
      const sum = sums[index] ?? NaN;
      sums[index] = Number.isNaN(sum) ? value : Number.isNaN(value) ? sum : sum + value;
    }
  return sums;
}

/** A drawing of so many minutes in words, for those who do not see it. */
export function drawingText(
  { title, series }: Tile,
  minutes: number,
  { least, most }: { readonly least: number | undefined; readonly most: number | undefined },
): string {
  const unit = seriesUnits[series[0] ?? 'connections'];
  const span = minutes === 1 ? 'the last minute' : `the last ${minutes} minutes`;
  if (most === undefined) return `${title}: no values in ${span}`;
  return `${title} over ${span}: from ${figureText(unit, least)} to ${figureText(unit, most)}`;
}
