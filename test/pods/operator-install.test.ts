import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Barrage } from '../../client/barrage.ts';
import { chart, helmDone } from '../kubernetes/chart/helm.ts';
import { clusterTimeoutMs, startNode, type OwnCluster } from '../support/cluster.ts';
import { field, poolMain, startRedis, untilCondition } from './operated-pool.ts';
import { PodWatch } from './pod-watch.ts';
import { TypedNotes } from './typed-notes.ts';

// A node of its own: this operator looks after the pools of all namespaces, and other tests have operators of their
// own.
let cluster: OwnCluster;
let watch: PodWatch | undefined;
const system = 'barrage-system';
const restricted = 'pod-security.kubernetes.io/enforce=restricted';

beforeAll(async () => {
  cluster = await startNode({ network: '10.253' });
}, clusterTimeoutMs);
afterAll(async () => {
  watch?.close();
  await cluster?.stop();
});

/** Name of the operator's pod that leads; empty where none does. */
async function leader(): Promise<string> {
  const holder = await field(cluster, system, 'lease/barrage-operator', '.spec.holderIdentity');
  return holder.split('_', 1)[0] ?? '';
}

async function tellToGo(pod: string): Promise<void> {
  await cluster.kubectl(['-n', system, 'delete', 'pod', pod, '--wait=false']);
}

/** Ends an operator's process, which is one of this machine, with nothing that it could still do. */
function kill(pod: string): void {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOperator(name, pod));
  expect(pids).toHaveLength(1);
  process.kill(Number(pids[0]), 'SIGKILL');
}

function isOperator(pid: string, pod: string): boolean {
  try {
    const [command, environment] = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0'));
    return command?.includes('/app/operator.js') === true && environment?.includes(`BARRAGE_OPERATOR_NAME=${pod}`) === true;
  } catch {
    return false; // it ended meanwhile
  }
}

/** What the way from an empty namespace to the first message may take on a machine with nothing else to do, in ms. */
const quickstartMs = 60_000;

test('the quickstart: the commands of the notes lead from `helm install` to a message at a client', async () => {
  await cluster.kubectl(['create', 'namespace', system]);
  await cluster.kubectl(['label', 'namespace', system, restricted]);
  const values = 'image.repository=barrage,image.tag=test,quickstart.enabled=true,quickstart.redis.image=redis:test';
  const startedAt = performance.now();
  const printed = await helmDone(['install', 'barrage', chart, '--namespace', system, '--set', values], cluster.kubeconfig);
  const notes = await TypedNotes.open(printed, cluster);
  onTestFinished(() => notes.close());
  notes.typeUntilForwarded();
  await notes.said(/Forwarding from [^]*Forwarding from /);
  const readyMs = Math.round(performance.now() - startedAt);

  const client = new Barrage(`ws://localhost:${notes.viewersPort}/`);
  onTestFinished(() => client.close());
  const subscription = client.subscribe('video:1');
  const seen: unknown[] = [];
  subscription.on('publication', ({ data }) => seen.push(data));
  await expect.poll(() => subscription.state, { interval: 20 }).toBe('subscribed');
  const page = await fetch(notes.page, { signal: AbortSignal.timeout(60_000) });
  notes.typePublication();
  await expect.poll(() => seen, { interval: 20 }).toEqual(['Hello from Kubernetes!']);
  const tookMs = Math.round(performance.now() - startedAt);
  process.stdout.write(`quickstart: the pool was ready after ${readyMs} ms, the first message came after ${tookMs} ms\n`);
  const slack = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  expect(tookMs).toBeLessThan(quickstartMs * slack);
  let shown = '';
  for await (const chunk of (page.body ?? []) as AsyncIterable<Uint8Array>) {
    shown += Buffer.from(chunk).toString();
    if (shown.includes('Hello from Kubernetes!')) break;
  }
  expect(shown).toContain('Hello from Kubernetes!');
  expect(await notes.said(/"E":/)).toContain('"E":null');
  expect(await field(cluster, system, 'gwp/live', '.status.readyReplicas')).toBe('2');
}, 400_000);

test('the chart installs two operators, of which one leads; when the leader goes, told to or killed, one carries on', async () => {
  await cluster.kubectl(['-n', system, 'rollout', 'status', 'deployment/barrage-operator', '--timeout=120s']);
  expect(await field(cluster, system, 'deployment/barrage-operator', '.status.readyReplicas')).toBe('2');

  const namespace = await cluster.createNamespace('live', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  await startRedis(cluster, namespace);
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], poolMain('  replicas: 1\n'));
  await untilCondition(cluster, namespace, 'gwp/main', ['Ready', 'True']);
  const ready = await PodWatch.open(cluster, namespace);
  watch = ready;
  await expect.poll(() => ready.ready.length, { timeout: 20_000 }).toBe(1);

  const ends = { 'told to go': tellToGo, killed: kill };
  for (const [replicas, [how, end]] of Object.entries(ends).map((ending, index) => [2 + index, ending] as const)) {
    const before = await leader();
    expect(before).toMatch(/^barrage-operator-/);
    await end(before);
    const goneAt = performance.now();
    await cluster.kubectl(['-n', namespace, 'scale', 'gwp/main', `--replicas=${replicas}`]);
    await expect.poll(() => ready.ready.length, { timeout: 90_000, interval: 100 }).toBe(replicas);
    process.stdout.write(`the leader was ${how}: ${replicas} gateways ${Math.round(performance.now() - goneAt)} ms later\n`);
    // A process that was killed is begun again in its pod, and may take its Lease back before the other has waited for
    // its end.
    const barred = how === 'killed' ? [''] : ['', before];
    expect(barred).not.toContain(await leader());
  }
  await cluster.kubectl(['-n', system, 'rollout', 'status', 'deployment/barrage-operator', '--timeout=120s']);
}, 300_000);
