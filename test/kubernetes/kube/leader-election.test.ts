import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { ClientMetrics } from '../../../operator/kube/client-metrics.ts';
import { KubeConnection } from '../../../operator/kube/connection.ts';
import { LeaderElection } from '../../../operator/kube/leader-election.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import { candidateOf, defaultElectionTimes, type Candidate, type ElectionTimes } from '../../../operator/runtime/election.ts';
import type { KubeObject } from '../../../operator/runtime/kube-api.ts';
import { sharedApiServer } from '../../support/cluster.ts';
import type { SeenRequest } from '../../support/fault-proxy.ts';
import { eventually, openRig, type Rig } from './rig.ts';
import { silentJournal } from '../../support/silent-journal.ts';

/** A fifth of the product's. */
const times: ElectionTimes = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryMs: 400 };

/** Often, and nothing runs out. */
const patient: ElectionTimes = { ...defaultElectionTimes, retryMs: times.retryMs };

interface Lease extends KubeObject {
  readonly spec: { readonly holderIdentity: string; readonly renewTime: string; readonly leaseTransitions: number };
}

const isWrite = ({ verb }: SeenRequest): boolean => verb === 'create' || verb === 'update';

/** A candidate of this process. */
function candidate(
  rig: Rig,
  who: string | Candidate,
  { kubeconfig = rig.proxy.kubeconfig, pace = times }: { readonly kubeconfig?: string; readonly pace?: ElectionTimes } = {},
): LeaderElection {
  const election = new LeaderElection({
    connection: new KubeConnection({ kubeconfig }),
    lease: { namespace: rig.namespace, name: 'operator' },
    candidate: typeof who === 'string' ? { identity: who } : who,
    clock: systemClock,
    random: Math.random,
    journal: silentJournal,
    metrics: new ClientMetrics(new Registry()),
    times: pace,
  });
  onTestFinished(() => election.stop());
  election.start();
  return election;
}

async function lease(rig: Rig): Promise<Lease | undefined> {
  return await rig.direct.get<Lease>(resources.lease, { namespace: rig.namespace, name: 'operator' });
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => true), Promise.resolve(false)]);
}

/** A candidate in a process of its own, which can be killed or held; it says when it begins to lead. */
function candidateProcess(rig: Rig, identity: string): { readonly said: string[]; readonly kill: (signal: NodeJS.Signals) => void } {
  const program = new URL('candidate.ts', import.meta.url).pathname;
  const args = [program, rig.proxy.kubeconfig, rig.namespace, identity, JSON.stringify(times)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  createInterface(child.stdout).on('line', (line) => said.push(line));
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return { said, kill: (signal) => void child.kill(signal) };
}

test('one of two leads; it releases the Lease when it stops, and the other leads at once', async () => {
  const rig = await openRig();
  const one = candidate(rig, 'one');
  await one.elected;
  const other = candidate(rig, 'other');
  await eventually(() => rig.proxy.seen(isWrite).length > 4);
  expect([one.isLeader, other.isLeader]).toEqual([true, false]);
  expect([one.leader, other.leader], 'both know who leads').toEqual(['one', 'one']);
  expect((await lease(rig))?.spec.renewTime).toMatch(/\.\d{6}Z$/);
  const stoppedAt = performance.now();
  await one.stop();
  await other.elected;
  expect(performance.now() - stoppedAt).toBeLessThan(times.leaseDurationMs);
  expect((await lease(rig))?.spec).toMatchObject({ holderIdentity: 'other', leaseTransitions: 1 });
  expect(await isSettled(one.lost), 'who stops has not lost').toBe(false);
});

test('the Lease of a leader that was killed is taken over when it has run out, and not before', async () => {
  const rig = await openRig();
  const killed = candidateProcess(rig, 'killed');
  await eventually(() => killed.said.includes('elected'));
  const other = candidate(rig, 'other');
  await eventually(() => rig.proxy.seen(isWrite).length > 4);
  const killedAt = performance.now();
  killed.kill('SIGKILL');
  await other.elected;
  const tookMs = performance.now() - killedAt;
  expect(tookMs).toBeGreaterThan(times.leaseDurationMs - times.retryMs - 300);
  expect(tookMs).toBeLessThan(times.leaseDurationMs + 4 * times.retryMs + 2000);
});

test('the Lease of a leader that was killed is taken up at once by the next process of its pod', async () => {
  const rig = await openRig();
  const process = (nonce: string): Candidate => candidateOf({ name: 'operator-0', podUid: 'uid-0', nonce });
  const killed = candidateProcess(rig, process('first').identity);
  await eventually(() => killed.said.includes('elected'));
  const other = candidate(rig, 'other');
  await eventually(() => rig.proxy.seen(isWrite).length > 2);
  killed.kill('SIGKILL');
  const next = candidate(rig, process('second'));
  const startedAt = performance.now();
  await next.elected;
  expect(performance.now() - startedAt).toBeLessThan(times.leaseDurationMs - times.retryMs);
  expect((await lease(rig))?.spec).toMatchObject({ holderIdentity: 'operator-0_uid-0_second', leaseTransitions: 1 });
  expect(other.isLeader).toBe(false);
});

test('a candidate that saw the Lease run out while nobody answered leads with its first answers', async () => {
  const rig = await openRig();
  const { kubeconfig } = await sharedApiServer();
  const held = candidateProcess(rig, 'held');
  await eventually(() => held.said.includes('elected'));
  const other = candidate(rig, 'other');
  await eventually(() => rig.proxy.seen(isWrite).length > 4);
  held.kill('SIGSTOP');
  const before = rig.proxy.seen().length;
  // A renewal that it has not seen could be one of just now, for all it knows.
  await eventually(() => rig.proxy.seen().length > before + 2);
  rig.proxy.outage();
  await new Promise((resolve) => setTimeout(resolve, times.leaseDurationMs + 2000));
  expect(other.isLeader).toBe(false);
  // Nobody else could wait less: one who comes only then has to see the Lease run out.
  const late = candidate(rig, 'late', { kubeconfig });
  rig.proxy.restore();
  const restoredAt = performance.now();
  await other.elected;
  expect(performance.now() - restoredAt).toBeLessThan(times.leaseDurationMs);
  expect(late.isLeader).toBe(false);
});

test('a leader that was held for longer than its Lease does not lead for a moment when it goes on', async () => {
  const rig = await openRig();
  const held = candidateProcess(rig, 'held');
  await eventually(() => held.said.includes('leads'));
  const other = candidate(rig, 'other');
  held.kill('SIGSTOP');
  await other.elected;
  const before = held.said.length;
  held.kill('SIGCONT');
  await eventually(() => held.said.some((line) => line.startsWith('lost')));
  expect(held.said.slice(before)).not.toContain('leads');
  expect(other.isLeader).toBe(true);
});

test('a leader that reaches the API server no more has lost before another may lead', async () => {
  const rig = await openRig();
  const { kubeconfig } = await sharedApiServer();
  const cutOff = candidate(rig, 'cut-off');
  await cutOff.elected;
  const other = candidate(rig, 'other', { kubeconfig });
  let both = 0;
  const watching = setInterval(() => (both += cutOff.isLeader && other.isLeader ? 1 : 0), 1);
  onTestFinished(() => clearInterval(watching));
  rig.proxy.outage();
  expect(await cutOff.lost).toContain('renewed in time');
  expect(other.isLeader).toBe(false);
  await other.elected;
  expect(both).toBe(0);
  expect(cutOff.isLeader).toBe(false);
});

test('failures shorter than the deadline, and answers that are lost, cost nobody the lead', async () => {
  const rig = await openRig();
  const one = candidate(rig, 'one', { pace: patient });
  await one.elected;
  let written = 0;
  rig.proxy.fault = (request) => {
    if (!isWrite(request)) return undefined;
    written += 1;
    return written % 2 === 0 ? undefined : { kind: written % 3 === 0 ? 'lost-answer' : 'cut' };
  };
  await eventually(() => written >= 8);
  expect([one.isLeader, await isSettled(one.lost)]).toEqual([true, false]);
});

test('a leader whose Lease another has written has lost', async () => {
  const rig = await openRig();
  const one = candidate(rig, 'one');
  await one.elected;
  const found = await lease(rig);
  await rig.direct.apply(resources.lease, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: rig.namespace, name: 'operator' },
    spec: { ...found?.spec, holderIdentity: 'a usurper' },
  } as KubeObject);
  expect(await one.lost).toContain('a usurper');
});

test('renewing takes one write and no read', async () => {
  const rig = await openRig();
  const one = candidate(rig, 'one', { pace: patient });
  await one.elected;
  const before = rig.proxy.seen().length;
  await eventually(() => rig.proxy.seen().length - before >= 4);
  expect(
    rig.proxy
      .seen()
      .slice(before)
      .map(({ verb }) => verb),
  ).toEqual(Array(rig.proxy.seen().length - before).fill('update'));
});
