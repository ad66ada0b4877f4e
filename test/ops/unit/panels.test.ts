import { expect, test } from 'vitest';
import { chosenRows, rowsShownMax, type Panel, type Row, type TablePanel } from '../../../ops/view/panel.ts';
import { panelsOf } from '../../../ops/view/panels.ts';
import type { Snapshot } from '../../../ops/view/snapshot.ts';
import { drawingText, drawnValues, tilesOf } from '../../../ops/view/tiles.ts';
import { calmGateway, calmOperator, calmPublisher, gatewayRowOf } from './snapshots.ts';

function panel(snapshot: Snapshot, id: string): Panel {
  const found = panelsOf(snapshot).find((each) => each.id === id);
  if (found === undefined) throw new Error(`no panel ${id}`);
  return found;
}

function table(snapshot: Snapshot, id: string): TablePanel {
  const found = panel(snapshot, id);
  if (found.kind !== 'table') throw new Error(`${id} is no table`);
  return found;
}

function textsOf(rows: readonly Row[]): readonly (readonly string[])[] {
  return rows.map(({ cells }) => cells.map(({ text }) => text));
}

test('each process has its panels and tiles', () => {
  const ids = (snapshot: Snapshot): readonly string[] => panelsOf(snapshot).map(({ id }) => id);
  expect(ids(calmGateway())).toEqual(['rooms', 'drops', 'bus', 'clients', 'connections']);
  expect(ids(calmPublisher())).toEqual(['bus', 'publisher']);
  expect(ids(calmOperator())).toEqual(['scaling', 'conditions', 'gateways', 'channels', 'publishers']);
  const tiles = (snapshot: Snapshot): readonly string[] => tilesOf(snapshot).map(({ id }) => id);
  expect(tiles(calmGateway())).toEqual(['connections', 'delivered', 'merge', 'latency', 'left-out', 'lost', 'pending', 'busy']);
  expect(tiles(calmPublisher())).toEqual(['published', 'rejected', 'publish', 'waiting', 'busy']);
  expect(tiles(calmOperator())).toEqual(['connections', 'ready', 'bytes', 'reconciles', 'busy']);
});

test('a gateway that is pulled from shows requests, reads of the bus, and what was too much', () => {
  const calm = calmGateway();
  const figures = { ...calm.figures, pulled: 120, pullLimited: 0, pullReads: 3, pullReadsRefused: 2, pullCache: 1_048_576 };
  const found = panel({ ...calm, figures }, 'pull');
  if (found.kind !== 'facts') throw new Error('pull is no list of facts');
  expect(found.facts.map(({ name, value, level }) => [name, value, level])).toEqual([
    ['Requests', '120/s', undefined],
    ['Refused as too many', '0/s', undefined],
    ['Reads of the bus', '3/s', undefined],
    ['Reads refused', '2/s', 'attention'],
    ['Encoded documents', '1.05 MB', undefined],
  ]);
});

test('every row has a cell for each column', () => {
  for (const snapshot of [calmGateway(), calmPublisher(), calmOperator()])
    for (const each of panelsOf(snapshot))
      if (each.kind === 'table') for (const { cells } of each.rows) expect(cells, each.id).toHaveLength(each.columns.length);
});

test('a room shows members, input, output, window, losses and CPU', () => {
  expect(textsOf(table(calmGateway(), 'rooms').rows)).toEqual([['video:1', '900', '20', '18 k', '2 kB/s', '100 ms', '0', '0', '5 %']]);
});

test('a slow client shows who it is; hostile names are made visible', () => {
  const snapshot = calmGateway();
  const client = {
    id: 7,
    user: '<img src=x>\u202e',
    address: '10.0.0.9',
    protocol: 'barrage.v1',
    waitingBytes: 65_536,
    isFull: true,
    channels: 3,
    channel: 'video:1',
    silentMs: 4_000,
  };
  const slow = { ...snapshot, gateway: { ...(snapshot.gateway ?? never()), slowestClients: [client], waitingClients: 12 } };
  const { rows, about } = table(slow, 'clients');
  expect(textsOf(rows)).toEqual([
    ['7', '<img src=x>\\u{202e}', '65.5 kB, full', '10.0.0.9', 'video:1 and 2 more', 'barrage.v1', '4 s ago'],
  ]);
  expect(rows[0]?.cells[2]).toMatchObject({ level: 'attention', bar: 1 });
  expect(about).toContain('of 12 with any');
});

test('a drain is first, with its progress', () => {
  const snapshot = calmGateway();
  const gateway = { ...(snapshot.gateway ?? never()), drain: { state: 'draining' as const, movedConnections: 3_000, startedAt: 940_000 } };
  const [first] = panelsOf({ ...snapshot, gateway });
  expect(first).toMatchObject({ id: 'drain', progress: { share: 0.75, words: '1\u202f000 connections left' } });
  expect(first?.kind === 'facts' && first.facts.map(({ value }) => value)).toEqual(['draining', '3\u202f000', '1 min 0 s']);
});

test('a bus that is away says why', () => {
  const snapshot = calmGateway();
  const away = panel({ ...snapshot, bus: { ...(snapshot.bus ?? never()), isUp: false, fault: 'ECONNREFUSED' } }, 'bus');
  expect(away.kind === 'facts' && away.facts[0]).toEqual({ name: 'State', value: 'away: ECONNREFUSED', level: 'broken' });
});

test('the scaling decision is in words', () => {
  const scaling = panel(calmOperator(), 'scaling');
  expect(scaling.kind === 'facts' && scaling.words).toBe('2 gateways, because 200 connections at 100 a gateway and 0 % spare need 2.');
});

test('gateways stand side by side, with what is odd about them', () => {
  const snapshot = calmOperator();
  const operator = snapshot.operator ?? never();
  const gateways = [
    gatewayRowOf('main-a'),
    gatewayRowOf('main-b', { state: 'draining', movedConnections: 40, connections: 50, epoch: 6, isUpdated: false }),
  ];
  const { rows } = table({ ...snapshot, operator: { ...operator, pool: { ...(operator.pool ?? never()), gateways } } }, 'gateways');
  expect(textsOf(rows)[1]?.slice(0, 3)).toEqual(['main-b', 'draining: 40 moved', '50']);
  expect(rows.map(({ cells }) => cells[2]?.bar)).toEqual([1, 0.5]);
  expect(rows[1]?.cells[7]).toMatchObject({ text: '6', level: 'notice' });
});

test('of several pools each is a link to its own page, and the chosen one is marked', () => {
  const snapshot = calmOperator();
  const operator = snapshot.operator ?? never();
  const [first = never()] = operator.pools;
  const { rows } = table({ ...snapshot, operator: { ...operator, pools: [first, { ...first, key: 'live/a&b' }], poolCount: 2 } }, 'pools');
  expect(rows.map(({ cells, isChosen }) => [cells[0]?.link, isChosen])).toEqual([
    ['/ops?pool=live%2Fmain', true],
    ['/ops?pool=live%2Fa%26b', false],
  ]);
});

test('rows are sorted and filtered, and no more than the bound are shown', () => {
  const rows: readonly Row[] = Array.from({ length: 1_000 }, (_, index) => ({
    key: String(index),
    cells: [{ text: `gateway-${index}` }, { text: `${index}`, sort: index % 500 }],
  }));
  const all = chosenRows(rows, { wanted: '', column: undefined, isDescending: false });
  expect([all.rows.length, all.matches, all.rows[0]?.key]).toEqual([rowsShownMax, 1_000, '0']);
  const sorted = chosenRows(rows, { wanted: '', column: 1, isDescending: true });
  expect(sorted.rows.slice(0, 2).map(({ key }) => key)).toEqual(['499', '999']);
  const found = chosenRows(rows, { wanted: ' Gateway-99 ', column: 0, isDescending: false });
  expect([found.matches, found.rows[0]?.key]).toEqual([11, '99']);
});

test('a tile of several series draws their sum, and tells its range in words', () => {
  const values = { budget: Float32Array.of(1, NaN, NaN), conflated: Float32Array.of(2, 3, NaN) };
  const sums = drawnValues(['budget', 'conflated'], (name) => values[name as 'budget' | 'conflated']);
  expect([...sums]).toEqual([3, 3, NaN]);
  const tile = tilesOf(calmGateway()).find(({ id }) => id === 'latency') ?? never();
  expect(drawingText(tile, 10, { least: 0.001, most: 0.02 })).toBe('Delivery, 99 % over the last 10 minutes: from 1 ms to 20 ms');
  expect(drawingText(tile, 1, { least: undefined, most: undefined })).toBe('Delivery, 99 %: no values in the last minute');
});

function never(): never {
  throw new Error('the fixture has it');
}
