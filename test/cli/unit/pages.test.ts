import { expect, test } from 'vitest';
import { missingRight, readApiStatus } from '../../../cli/view/api-refusal.ts';
import { drainQuestion } from '../../../cli/view/drain-words.ts';
import { poolPage, poolPageLines } from '../../../cli/view/pool-page.ts';
import { waitingIn } from '../../../cli/view/port-words.ts';
import type { ProcessReading } from '../../../cli/view/reading.ts';
import { readSamples } from '../../../cli/view/samples.ts';
import { standInGateway } from '../../../cli/view/stand-in-gateway.ts';
import { channelNotes, channelRows, channelTable, gatewayRows, gatewayTable } from '../../../cli/view/top.ts';
import type { AdminStatus } from '../../../core/pool/admin-status.ts';
import { begin, gatewayWith, poolWith } from '../../operator/decide/pool-fixture.ts';

const status: AdminStatus = {
  role: 'gateway',
  name: 'web-1',
  uid: 'uid-web-1',
  poolEpoch: 1,
  policiesHash: '',
  ready: true,
  waitingFor: [],
  connections: 40,
  subscriptions: 50,
  rooms: 2,
  loopUtilization: 0.25,
  bytesSentPerSecond: 1500,
  drain: { state: 'serving', movedConnections: 0 },
  topChannels: [
    { channel: 'video:1', members: 30 },
    { channel: 'evil:\u001b[2J', members: 20 },
  ],
};

function reading(name: string, fields: Partial<AdminStatus> = {}, { at = begin, metrics = '' } = {}): ProcessReading {
  const told = { ...status, name, ...fields };
  const answer = { kind: 'told', at, status: told, waitingFor: told.waitingFor, samples: readSamples(metrics) } as const;
  return { name, role: 'gateway', pool: 'live/web', node: 'n1', observed: gatewayWith(name), restarts: 0, answer };
}

const texts = (lines: readonly { readonly text: string }[]): readonly string[] => lines.map(({ text }) => text);

test('gateways stand with the fullest first, rates from two readings, and a silent one says why', () => {
  const metrics = (delivered: number, dropped: number): string =>
    `barrage_gateway_publications_delivered_total ${delivered}\nbarrage_gateway_publications_dropped_total{reason="budget"} ${dropped}\n`;
  const before = [
    reading('web-1', {}, { at: begin - 2000, metrics: metrics(100, 5) }),
    reading('web-2', {}, { at: begin - 2000, metrics: metrics(900, 0) }),
  ];
  const now = [
    reading('web-1', { connections: 40 }, { metrics: metrics(500, 8) }),
    // It has restarted: its counters fell.
    reading('web-2', { connections: 90 }, { metrics: metrics(10, 0) }),
    { ...reading('web-3'), answer: { kind: 'silent', why: 'silent: no answer within 10 s' } as const },
  ];
  const rows = gatewayRows(now, before, begin);
  expect(rows.map(({ name }) => name)).toEqual(['web-2', 'web-1', 'web-3']);
  expect(rows[1]).toMatchObject({ deliveredPerSecond: 200, droppedPerSecond: 1.5, loop: 0.25, ageMs: 3_600_000, isWell: true });
  expect(rows[0]).toMatchObject({ deliveredPerSecond: undefined });
  expect(texts(gatewayTable(rows))).toEqual([
    'GATEWAY   CONNECTIONS   SUBSCRIPTIONS   ROOMS   LOOP   SENT/S   DELIVERED/S   DROPPED/S   RESTARTS   AGE   STATE',
    'web-2              90              50       2    25%   1.5 kB             -           0          0   60m   serving',
    'web-1              40              50       2    25%   1.5 kB           200         1.5          0   60m   serving',
    'web-3               -               -       -      -        -             -           -          0   60m   silent: no answer within 10 s',
  ]);
});

test('a gateway that is not ready says what it waits for, also without an admin port', () => {
  const unready = waitingIn(503, 'waiting for: a gateway number; the bus: away\n');
  const reading: ProcessReading = {
    name: '127.0.0.1:6790',
    role: 'gateway',
    pool: undefined,
    node: undefined,
    observed: undefined,
    restarts: 0,
    answer: { kind: 'told', at: begin, status: undefined, waitingFor: unready, samples: [] },
  };
  expect(gatewayRows([reading], [], begin)).toMatchObject([{ state: 'waits for a gateway number; the bus: away', isWell: false }]);
  expect(standInGateway(reading).polled).toMatchObject({ ready: false, waitingFor: ['a gateway number', 'the bus: away'] });
  expect(waitingIn(503, '')).toEqual(['an unknown condition']);
  expect(waitingIn(200, 'ready\n')).toEqual([]);
});

test('the figures of a channel are added over the gateways; a hostile name is escaped', () => {
  const metrics = `barrage_gateway_top_channel_load_ratio{channel="video:1"} 0.25
barrage_gateway_top_channel_delivered_per_second{channel="video:1"} 70
barrage_gateway_top_channel_dropped_per_second{channel="video:3",reason="slow"} 2
barrage_gateway_top_channel_dropped_per_second{channel="video:3",reason="budget"} 3
`;
  const readings = [reading('web-1', {}, { metrics }), reading('web-2', { rooms: 30, topChannels: [{ channel: 'video:1', members: 7 }] })];
  const unknown = { members: undefined, load: undefined, deliveredPerSecond: undefined, droppedPerSecond: undefined };
  const rows = channelRows(readings);
  expect(rows).toEqual([
    { ...unknown, channel: 'video:1', pool: 'live/web', gateways: 2, members: 37, load: 0.25, deliveredPerSecond: 70 },
    { ...unknown, channel: 'evil:\u001b[2J', pool: 'live/web', gateways: 1, members: 20 },
    { ...unknown, channel: 'video:3', pool: 'live/web', gateways: 1, droppedPerSecond: 5 },
  ]);
  expect(channelRows(readings, 'drops')[0]?.channel).toBe('video:3');
  expect(texts(channelTable(rows, 1))).toEqual([
    'CHANNEL   MEMBERS   GATEWAYS   LOAD   DELIVERED/S   DROPPED/S',
    'video:1        37          2    25%            70           -',
  ]);
  expect(texts(channelTable(rows, 9))[2]).toMatch(/^evil:\\x1b\[2J/);
  expect(texts(channelNotes(readings, 2))).toEqual(['1 of 2 gateways has more rooms than the 20 that each tells.']);
  expect(texts(channelNotes([reading('web-1', { topChannels: [] })], 0))).toEqual(['No channel has a member.']);
});

test('the page of a pool says what is there, what is odd, and what happened', () => {
  const conditions = [
    { type: 'Ready', status: 'True', reason: 'Ready', message: '', lastTransitionTime: '' },
    { type: 'DrainTimely', status: 'False', reason: 'DrainTooSlow', message: 'raise drain.deadlineSeconds', lastTransitionTime: '' },
  ] as const;
  const channel = {
    apiVersion: 'barrage.dev/v1alpha1',
    kind: 'BarrageChannel',
    metadata: { name: 'videos' },
    spec: { channel: 'video:*', poolRef: { name: 'web' } },
    status: {
      conditions: [{ type: 'Accepted', status: 'False', reason: 'ConflictingPattern', message: 'older one', lastTransitionTime: '' }],
    },
  } as unknown as Parameters<typeof poolPage>[0]['channels'][number];
  const page = poolPage({
    pool: poolWith({}, { desiredReplicas: 2, conditions }),
    readings: [
      reading('web-1', {}, { metrics: 'barrage_gateway_publications_dropped_total{reason="slow",priority="low"} 7\n' }),
      reading('web-2'),
    ],
    before: [],
    channels: [channel],
    events: [{ at: begin - 60_000, type: 'Warning', reason: 'DrainTooSlow', message: 'a\u001b[31mb', times: 2 }],
    now: begin,
  });
  const text = texts(poolPageLines(page, begin)).join('\n');
  for (const part of [
    'live/web: ready',
    'Bus         Redis Standalone at redis:6379',
    'Gateways    2 desired, 2 present, 2 ready',
    'Left out    slow 7 (publications × members, since the gateways started)',
    '  DrainTimely False (DrainTooSlow): raise drain.deadlineSeconds',
    '  As in a settled pool: Ready',
    'Policies: 1 BarrageChannel, 0 in force',
    '  videos (video:*): ConflictingPattern: older one',
    String.raw`60s    Warning   DrainTooSlow       2   a\x1b[31mb`,
  ])
    expect(text).toContain(part);
});

test('a refusal of the API server names the missing right, and how to ask for it', () => {
  const words = 'pods "web-1" is forbidden: User "eve" cannot create resource "pods/portforward" in API group "" in the namespace "live"';
  const { message } = readApiStatus(JSON.stringify({ kind: 'Status', message: words, reason: 'Forbidden' }));
  const request = { verb: 'get', resource: 'pods', namespace: 'other' };
  expect(missingRight(message, request)).toBe(
    `the right to create pods/portforward in the namespace live is missing. Ask for a Role with it; this tells whether you have it: kubectl auth can-i create pods --subresource=portforward -n live. The API server says: ${words}`,
  );
  expect(
    missingRight('User "eve" cannot list resource "gatewaypools" in API group "barrage.dev" in the namespace "live"', request),
  ).toContain('kubectl auth can-i list gatewaypools.barrage.dev -n live');
  expect(missingRight('', request)).toContain('the right to get pods in the namespace other is missing');
  expect(readApiStatus('upstream went away')).toEqual({ message: 'upstream went away', reason: '' });
});

test('the question before a drain says how many clients go where, in what time, and what follows', () => {
  const { drain } = poolWith({ drain: { connectionsPerSecond: 100, propagationSeconds: 5, deadlineSeconds: 60 } }).spec;
  const facts = { gateway: 'web-1', pool: 'live/web', connections: 1000, others: 2, isAlone: false, drain, isPaused: false };
  expect(drainQuestion(facts)).toBe(
    'web-1 of pool live/web has 1000 connections. They move to 2 other gateways in about 15s, at most 60s. The operator creates a gateway in its place at once. Drain it?',
  );
  expect(drainQuestion({ ...facts, connections: undefined, others: 0 })).toContain(
    'an unknown number of connections. No other gateway is ready',
  );
  expect(drainQuestion({ ...facts, connections: 0 })).toContain('has 0 connections. Nobody has to move.');
  expect(drainQuestion({ ...facts, isPaused: true })).toContain('no gateway takes its place');
  expect(drainQuestion({ ...facts, isAlone: true })).toContain('nobody is served until the next gateway is ready');
});
