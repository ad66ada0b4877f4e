import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { formVariable } from '../../suite.ts';
import { Backend, machineMs } from '../backend.ts';
import { Crowd } from '../crowd/crowd.ts';
import type { ClientPlan } from '../crowd/spectator.ts';
import { quantile } from '../figures.ts';
import type { Published } from '../outage/account.ts';
import { BadNetwork, siteAddress } from './bad-network.ts';
import { Site, gatewayPorts, queueBytesMax } from './site.ts';
import type { WireRules } from './wire-rules.ts';

/** `npm run network` takes the long form: a minute of each fault, and a lid that is closed for five. */
const isLong = process.env[formVariable] === 'long';
const phaseMs = isLong ? 60_000 : 3000;
const channels = ['kept:1', 'kept:2'] as const;
const clean = { twice: 0, refused: 0, disordered: 0, untold: 0, missed: 0, gaps: 0, examples: [] };

function plans(count: number, kind: 'sdk' | 'plain', of: readonly string[] = channels): readonly ClientPlan[] {
  const addresses = gatewayPorts.map((port) => `ws://${siteAddress}:${port}/`);
  return Array.from({ length: count }, () => ({ kind, addresses, channels: of }));
}

async function subscribed(crowds: readonly Crowd[]): Promise<void> {
  for (const crowd of crowds)
    await expect.poll(async () => (await crowd.census()).subscribed, { timeout: 20_000 }).toBe((await crowd.census()).clients);
}

/** Loads the channels, and waits until each crowd hears them. */
async function flow(site: Site, crowds: readonly Crowd[], perSecond: number): Promise<Backend> {
  await subscribed(crowds);
  const backend = new Backend(machineMs);
  onTestFinished(() => backend.stop());
  backend.load({ perSecond, channels, port: site.publisherPort });
  for (const crowd of crowds) await expect.poll(async () => (await crowd.census()).heardLeast, { timeout: 20_000 }).toBeGreaterThan(10);
  return backend;
}

/** Ends the load, and waits until nobody of any crowd misses anything that was not told. */
async function settled(backend: Backend, crowds: Readonly<Record<string, Crowd>>): Promise<void> {
  await backend.stop();
  const untold = async (): Promise<object> =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(crowds).map(async ([name, crowd]) => [name, (await crowd.account(backend.published)).untold] as const),
      ),
    );
  const none = Object.fromEntries(Object.keys(crowds).map((name) => [name, 0]));
  await expect.poll(untold, { timeout: 60_000, interval: 200 }).toEqual(none);
}

test('packets are lost, late and held up: nothing is missed, and nobody is disconnected', { timeout: 60_000 + 8 * phaseMs }, async () => {
  const network = await BadNetwork.start();
  const site = await Site.start(network);
  const far = await Crowd.open([...plans(20, 'sdk'), ...plans(5, 'plain')], { through: network.away });
  const near = await Crowd.open([...plans(20, 'sdk'), ...plans(5, 'plain')], { through: network.site });
  const backend = await flow(site, [far, near], 50);
  const phases: readonly (readonly [what: string, rules: WireRules])[] = [
    ['whole', {}],
    ['10 % lost', { lossShare: 0.1 }],
    ['300 ms late each way', { delayMs: 300 }],
    ['both', { lossShare: 0.1, delayMs: 300 }],
    ['1 s of silence in 3', { stalls: { everyMs: 3000, forMs: 1000 } }],
  ];
  const spans: { readonly what: string; readonly published: readonly Published[]; readonly carried: string }[] = [];
  for (const [what, rules] of phases) {
    await network.be(rules);
    const before = backend.published.length;
    await pause(phaseMs);
    const published = backend.published.slice(before);
    const { passed, lost } = await network.be(rules);
    spans.push({ what, published, carried: `${lost} of ${passed + lost} packets lost` });
    if (rules.lossShare !== undefined) expect(lost).toBeGreaterThan(0);
  }
  await network.be({});
  await settled(backend, { far, near });
  for (const { what, published, carried } of spans) {
    const [farMs, nearMs] = [await far.delays(published), await near.delays(published)];
    const text = (values: readonly number[]): string => [0.5, 0.99].map((share) => Math.round(quantile(values, share))).join(' / ');
    process.stdout.write(`${what}: far ${text(farMs)} ms, near ${text(nearMs)} ms (p50 / p99); ${carried}\n`);
  }
  for (const crowd of [far, near]) {
    expect(await crowd.account(backend.published)).toMatchObject(clean);
    expect(await crowd.census()).toMatchObject({ absences: 0, subscribed: 25 });
  }
});

/** Short times of liveness, where a minute is not to be waited for. */
const liveness = isLong ? { pingMs: 25_000, idleMs: 60_000 } : { pingMs: 2000, idleMs: 6000 };
const livenessVariables = { BARRAGE_PING_INTERVAL_MS: String(liveness.pingMs), BARRAGE_IDLE_TIMEOUT_MS: String(liveness.idleMs) };

/**
 * A silent connection is gone after the idle time, the interval in which each connection is looked at once, and a
 * closing handshake that nobody answers. Pauses of the gateway are not held against its clients: hence twice as long.
 */
const goneMsMax = 2 * (liveness.idleMs + liveness.pingMs + 2000) + 10_000;

/** Waits until a gateway has no more than so many connections, and returns how long that took, in milliseconds. */
async function emptied(site: Site, connections: number): Promise<{ readonly ms: number; readonly queuedBytesMost: number }> {
  const startedAt = performance.now();
  let queuedBytesMost = 0;
  const look = async (): Promise<number> => {
    queuedBytesMost = Math.max(queuedBytesMost, await site.metric(0, 'barrage_gateway_queued_bytes'));
    return await site.metric(0, 'barrage_gateway_connections');
  };
  await expect.poll(look, { timeout: 3 * liveness.idleMs + 30_000, interval: 100 }).toBe(connections);
  return { ms: performance.now() - startedAt, queuedBytesMost };
}

test(
  'a lid is closed for longer than the idle time: then what the history gives back is there, and the rest is told',
  { timeout: 600_000 },
  async () => {
    const network = await BadNetwork.start();
    const site = await Site.start(network, livenessVariables);
    const few = await Crowd.open(plans(10, 'sdk', ['kept:quiet']), { through: network.away });
    const many = await Crowd.open(plans(10, 'sdk', ['kept:busy']), { through: network.away });
    // Plain clients: if one of them were disconnected, it would miss what came afterwards.
    const near = await Crowd.open(plans(15, 'plain', ['kept:busy']), { through: network.site });
    await subscribed([few, many, near]);
    const backend = new Backend(machineMs);
    onTestFinished(() => backend.stop());
    backend.load({ perSecond: isLong ? 0.5 : 5, channels: ['kept:quiet'], port: site.publisherPort });
    backend.load({ perSecond: 60, channels: ['kept:busy'], port: site.publisherPort });
    for (const crowd of [few, many, near])
      await expect.poll(async () => (await crowd.census()).heardLeast, { timeout: 30_000 }).toBeGreaterThan(3);

    // The machine sleeps: its processes stand still, and it answers nothing.
    await network.be({ cut: 'all' });
    for (const crowd of [few, many]) crowd.signal('SIGSTOP');
    const closedAt = machineMs();
    const { ms, queuedBytesMost } = await emptied(site, 15);
    await pause(Math.max(0, closedAt + (isLong ? 300_000 : liveness.idleMs + 5000) - machineMs()));
    const openedAt = machineMs();
    await network.be({});
    for (const crowd of [few, many]) crowd.signal('SIGCONT');
    for (const crowd of [few, many]) {
      await expect.poll(async () => (await crowd.census()).absences, { timeout: 60_000 }).toBe(10);
      await expect.poll(async () => (await crowd.census()).subscribed, { timeout: 60_000 }).toBe(10);
    }
    await pause(500);
    await settled(backend, { few, many, near });
    const returns = [...(await few.returns(backend.published)), ...(await many.returns(backend.published))];
    const seconds = [0.5, 1].map((share) =>
      (
        quantile(
          returns.map(({ caughtUpAt }) => caughtUpAt - openedAt),
          share,
        ) / 1000
      ).toFixed(1),
    );
    const busy = await many.account(backend.published);
    process.stdout.write(
      `a lid closed for ${((openedAt - closedAt) / 1000).toFixed(0)} s: connections gone after ${(ms / 1000).toFixed(1)} s, at most ${queuedBytesMost} bytes waited; ` +
        `caught up ${seconds.join(' / ')} s after it was opened (p50 / max); busy channel: ${busy.gaps} gaps told, ${busy.missed} publications in them\n`,
    );
    expect(await few.account(backend.published)).toMatchObject(clean);
    expect(busy).toMatchObject({ twice: 0, refused: 0, disordered: 0, untold: 0, gaps: 10 });
    expect(await near.account(backend.published)).toMatchObject(clean);
    expect(await near.census()).toMatchObject({ absences: 0 });
    expect(ms).toBeLessThan(goneMsMax);
    expect(queuedBytesMost).toBeLessThanOrEqual(20 * queueBytesMax);
  },
);

test(
  'clients vanish without a word: the gateway lets them go within its idle time, and keeps no more than their cap',
  { timeout: 300_000 },
  async () => {
    const network = await BadNetwork.start();
    const site = await Site.start(network, livenessVariables);
    const far = await Crowd.open([...plans(30, 'sdk'), ...plans(10, 'plain')], { through: network.away });
    const near = await Crowd.open(plans(15, 'plain'), { through: network.site });
    const backend = await flow(site, [far, near], 100);
    const before = await site.residentBytes(0);
    await network.be({ cut: 'all' });
    far.signal('SIGKILL');
    const { ms, queuedBytesMost } = await emptied(site, 15);
    const after = await site.residentBytes(0);
    await settled(backend, { near });
    process.stdout.write(
      `40 clients vanished: gone after ${(ms / 1000).toFixed(1)} s of ${liveness.idleMs / 1000} s idle time; at most ${queuedBytesMost} bytes waited; ` +
        `resident ${Math.round(before / 1e6)} MB before, ${Math.round(after / 1e6)} MB after\n`,
    );
    expect(ms).toBeLessThan(goneMsMax);
    expect(queuedBytesMost).toBeLessThanOrEqual(40 * queueBytesMax);
    expect(await near.account(backend.published)).toMatchObject(clean);
    expect(await near.census()).toMatchObject({ absences: 0 });
    expect(await site.metric(0, 'barrage_gateway_connections_ended_total', 'closed')).toBe(40);
  },
);

test('a gateway vanishes without a word: its clients notice, go to the other one, and miss nothing', { timeout: 300_000 }, async () => {
  const network = await BadNetwork.start();
  const site = await Site.start(network, livenessVariables);
  const far = await Crowd.open(plans(30, 'sdk'), { through: network.away });
  // So few that all of them are within the bounds of a resume.
  const backend = await flow(site, [far], isLong ? 4 : 20);
  await network.be({ cut: [gatewayPorts[0]] });
  const vanishedAt = machineMs();
  await expect.poll(async () => (await far.census()).absences, { timeout: 3 * liveness.idleMs }).toBe(30);
  await expect.poll(async () => (await far.census()).away, { timeout: 90_000 }).toBe(0);
  await pause(1000);
  await settled(backend, { far });
  const returns = await far.returns(backend.published);
  const seconds = (what: 'lostAt' | 'caughtUpAt'): string =>
    [0.5, 1]
      .map((share) =>
        (
          quantile(
            returns.map((each) => each[what] - vanishedAt),
            share,
          ) / 1000
        ).toFixed(1),
      )
      .join(' / ');
  process.stdout.write(
    `a gateway vanished: noticed after ${seconds('lostAt')} s, caught up after ${seconds('caughtUpAt')} s (p50 / max)\n`,
  );
  expect(await far.account(backend.published)).toMatchObject(clean);
  expect(await site.metric(1, 'barrage_gateway_connections')).toBe(30);
});
