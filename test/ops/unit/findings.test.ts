import { expect, test } from 'vitest';
import { judge } from '../../../ops/view/findings.ts';
import { History } from '../../../ops/view/history.ts';
import type { Figures } from '../../../ops/view/series.ts';
import type { Snapshot } from '../../../ops/view/snapshot.ts';
import { calmGateway, calmOperator, calmPublisher } from './snapshots.ts';

/** Judges after twenty seconds with these figures. */
function judged(snapshot: Snapshot, figures: Figures = {}): readonly string[] {
  const history = new History();
  const all = { ...snapshot.figures, ...figures };
  for (let second = 0; second < 20; second++) history.add(second * 1000, all);
  return judge({ ...snapshot, figures: all }, history).findings.map(({ name }) => name);
}

test('calm processes are well, and say so', () => {
  const history = new History();
  for (const snapshot of [calmGateway(), calmPublisher(), calmOperator()]) {
    expect(judge(snapshot, history)).toEqual({ state: 'well', words: 'It is well', findings: [] });
  }
});

test.each([
  ['connections-full', { connections: 20_000 }],
  ['connections-near-full', { connections: 18_000 }],
  ['slow-clients', { slow: 5 }],
  ['left-out', { budget: 900 }],
  ['latency', { latencyP99: 1.5 }],
  ['loop-busy', { busy: 0.95 }],
  ['stretched', { stretched: 2, fanOut: 0.8 }],
  ['bus-gaps', { busGaps: 0.1 }],
  ['append-failures', { appendFailures: 1 }],
])('a gateway has the finding %s, and no other', (name, figures) => {
  expect(judged(calmGateway(), figures)).toEqual([name]);
});

test.each([
  ['one slow client among very many deliveries', { slow: 0.0001 }],
  ['a little that is left out', { budget: 10 }],
  ['a second of merging', { latencyP99: 0.9 }],
])('a gateway is well with %s', (_, figures) => {
  expect(judged(calmGateway(), figures)).toEqual([]);
});

test('a finding tells which channel, since when and how much', () => {
  const snapshot = calmGateway();
  const [room = never()] = snapshot.gateway?.busiestRooms ?? [];
  const rooms = [room, { ...room, channel: 'video:hot', lostPerSecond: 5 }];
  const history = new History();
  for (let second = 0; second < 90; second++)
    history.add(second * 1000, { delivered: 95, slow: second < 20 || (second > 40 && second % 7 !== 0) ? 5 : 0 });
  const losing = { ...snapshot, gateway: { ...(snapshot.gateway ?? never()), busiestRooms: rooms, waitingClients: 3 } };
  expect(judge(losing, history).findings.map(({ text }) => text)).toEqual([
    'Slow clients lose publications: 4.5 a second, 4.5 % of what is offered, 3 clients wait, most in video:hot, for 49 s.',
  ]);
});

test('one odd second is no finding', () => {
  const history = new History();
  for (let second = 0; second < 60; second++)
    history.add(second * 1000, { busy: second === 59 ? 1 : 0.2, latencyP99: second === 58 ? 3 : 0.01 });
  expect(judge(calmGateway(), history).state).toBe('well');
});

test('a bus that is away is told once, with its reason, and is worse than anything that needs attention', () => {
  const snapshot = calmGateway();
  const away = {
    ...snapshot,
    process: { ...snapshot.process, waitingFor: ['the bus: connect ECONNREFUSED'] },
    bus: { ...(snapshot.bus ?? never()), isUp: false, fault: 'connect ECONNREFUSED' },
  };
  const history = new History();
  history.add(0, { slow: 5, delivered: 10 });
  const verdict = judge(away, history);
  expect(verdict).toMatchObject({ state: 'broken', words: 'One thing is broken' });
  expect(verdict.findings.map(({ name }) => name)).toEqual(['bus-away', 'slow-clients']);
  expect(verdict.findings[0]?.text).toBe('The bus is away: connect ECONNREFUSED.');
  expect(verdict.findings[1]?.text).toBe('Slow clients lose publications: 5 a second, 33 % of what is offered.');
});

test('what a process waits for is told in its words, hostile ones made visible', () => {
  const snapshot = calmGateway();
  const waiting = { ...snapshot, process: { ...snapshot.process, waitingFor: ['a pool document', 'x\u202ey'] } };
  expect(judge(waiting, new History()).findings[0]?.text).toBe('Not ready: it waits for a pool document; x\\u{202e}y.');
});

test('a drain is a notice with its progress, and no fault of readiness', () => {
  const snapshot = calmGateway();
  const gateway = { ...(snapshot.gateway ?? never()), drain: { state: 'draining' as const, movedConnections: 300 } };
  const draining = { ...snapshot, gateway, process: { ...snapshot.process, waitingFor: ['nothing: this gateway is draining'] } };
  expect(judge(draining, new History())).toMatchObject({
    state: 'notice',
    findings: [{ name: 'draining', text: 'Draining: 300 connections told to move.' }],
  });
});

test('refused connections name their reasons; a gateway that is not ready refuses everybody anyway', () => {
  const snapshot = calmGateway();
  const refusing = { ...snapshot, gateway: { ...(snapshot.gateway ?? never()), refused: { rate: 4, origin: 0, unready: 9 } } };
  const history = new History();
  history.add(0, { refused: 4 });
  expect(judge(refusing, history).findings.map(({ text }) => text)).toEqual(['Connections are refused: rate 4/s.']);
});

test('subscriptions that wait for long need attention; each room that opens waits for a moment', () => {
  expect(judged(calmGateway(), { subscriptionsWaiting: 3 })).toEqual(['bus-subscriptions']);
  const history = new History();
  for (let second = 0; second < 20; second++) history.add(second * 1000, { subscriptionsWaiting: second % 5 });
  expect(judge(calmGateway(), history).findings).toEqual([]);
});

test('a publisher that refuses a part of what it gets, or is slow, needs attention', () => {
  const snapshot = calmPublisher();
  expect(judged(snapshot, { rejected: 2, published: 98 })).toEqual(['publications-refused']);
  expect(judged(snapshot, { rejected: 0.1, published: 98 })).toEqual([]);
  expect(judged(snapshot, { publishP99: 1.2 })).toEqual(['publish-latency']);
});

test('an operator tells its unready pools, the faults of the chosen one, and gateways that are silent or behind', () => {
  const snapshot = calmOperator();
  const operator = snapshot.operator ?? never();
  const pool = operator.pool ?? never();
  const [first = never(), second = never()] = pool.gateways;
  const troubled: Snapshot = {
    ...snapshot,
    operator: {
      ...operator,
      pools: operator.pools.map((row) => ({ ...row, isReady: false, message: 'No gateway is ready.' })),
      pool: {
        ...pool,
        conditions: [...pool.conditions, { type: 'PodSecurity', status: 'False', reason: 'HostPort', message: 'Use PodIP.', since: '' }],
        gateways: [
          { ...first, state: 'silent' },
          { ...second, epoch: 1 },
        ],
      },
    },
  };
  expect(judged(troubled, { reconcileErrors: 1 })).toEqual([
    'pool-unready',
    'pool-condition',
    'gateways-silent',
    'reconcile-errors',
    'gateways-behind',
  ]);
});

test('an operator that stands by says where to look', () => {
  const snapshot = calmOperator();
  const standing = { ...snapshot, operator: { isLeader: false, leader: 'operator-2', queued: 0, pools: [], poolCount: 1 } };
  expect(judge(standing, new History())).toMatchObject({
    state: 'notice',
    findings: [{ name: 'stands-by', text: 'This operator stands by: operator-2 leads.' }],
  });
});

function never(): never {
  throw new Error('the fixture has it');
}
