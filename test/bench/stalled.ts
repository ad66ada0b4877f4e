import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import type { Bench, GatewayFigures, SinkCounts } from './measure.ts';
import { spreadOf } from './spread.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';

/** Clients of a large room who stop reading, under a policy for slow consumers. */
export interface StalledRow {
  readonly name: string;
  readonly policy: 'DropOldest' | 'Disconnect';
}

export const stalledRows: readonly StalledRow[] = [
  { name: 'stalled-drop', policy: 'DropOldest' },
  { name: 'stalled-disconnect', policy: 'Disconnect' },
];

export interface StalledResult {
  /** Of the members who read, in milliseconds: while all read, and while one in a hundred does not. */
  readonly p99Ms: { readonly reading: number; readonly stalled: number };
  /** Most bytes in the gateway's queues, looked at twice a second. */
  readonly queuedBytesMost: number;
  /** Growth of the gateway's resident set while they did not read. */
  readonly residentBytes: number;
  /** Publications × members that the gateway counted as dropped. */
  readonly dropped: number;
  /** Of these, what the members themselves saw missing when they read again; absent for members who are gone. */
  readonly seenMissing: number | undefined;
  /** Members whom the gateway has disconnected. */
  readonly closed: number;
  readonly waitingShare: number;
}

const members = 5_000;
const stalledMembers = 50;
const queueBytesMax = 65_536;
/** Small, so that what a client does not read waits in the gateway, not in the kernel. */
const receiveBufferBytes = 4_096;
const publicationsPerSecond = 200;
const answerMs = 30_000;
const p99RatioMax = 1.1;

/** @throws BenchProcessFailed */
export async function measureStalled(bench: Bench, { policy }: StalledRow): Promise<StalledResult> {
  const room = new StalledRoom(bench, policy);
  try {
    await room.fill();
    await room.publish(bench.warmUpSeconds);
    const before = await room.figures();
    const missingBefore = await room.missing();
    const reading = await room.publish(bench.seconds);
    const residentBefore = room.server.residentBytes();
    room.stall();
    // Until their queues are full, and for as long as the others were measured before.
    const stalled = await room.publish(bench.seconds * 2);
    const residentBytes = room.server.residentBytes() - residentBefore;
    room.resume();
    await sleep(2_000);
    // What comes after a hole makes it visible.
    const end = await room.publish(1);
    await sleep(2_000);
    const after = await room.figures();
    const closed = await room.closed();
    return {
      p99Ms: { reading: reading.p99Ms, stalled: stalled.p99Ms },
      queuedBytesMost: Math.max(stalled.queuedBytesMost, end.queuedBytesMost),
      residentBytes,
      dropped: after.dropped - before.dropped,
      seenMissing: closed === 0 ? (await room.missing()) - missingBefore : undefined,
      closed,
      waitingShare: stalled.waitingShare,
    };
  } finally {
    await room.close();
  }
}

interface Published {
  readonly p99Ms: number;
  readonly queuedBytesMost: number;
  readonly waitingShare: number;
}

class StalledRoom {
  readonly server: BenchProcess;
  readonly #bench: Bench;
  readonly #sinks: BenchProcess[] = [];

  constructor(bench: Bench, policy: StalledRow['policy']) {
    const node = [process.execPath, '--max-semi-space-size=4', ...bench.nodeArguments];
    this.#bench = bench;
    this.server = new BenchProcess({
      name: 'gateway server',
      command: [...node, join(import.meta.dirname, 'gateway-server.ts'), 'slow', policy, String(queueBytesMax)],
      cpu: bench.pinned ? 0 : undefined,
    });
  }

  async fill(): Promise<void> {
    const [word, port = ''] = (await this.server.line(answerMs)).split(' ');
    if (word !== 'listening') throw new BenchProcessFailed('the gateway did not listen');
    await this.#connect([port, String(members - stalledMembers), 'barrage.v1']);
    await this.#connect([port, String(stalledMembers), 'barrage.v1', String(receiveBufferBytes)]);
  }

  async #connect(args: readonly string[]): Promise<void> {
    const sink = new BenchProcess({ name: 'sink', command: [this.#bench.sink, ...args], cpu: this.#bench.pinned ? 1 : undefined });
    this.#sinks.push(sink);
    await sink.line(60_000);
  }

  stall(): void {
    this.#sinks[1]?.tell('stall');
  }

  resume(): void {
    this.#sinks[1]?.tell('resume');
  }

  /** Publishes for some seconds, and looks at the queues twice a second. */
  async publish(seconds: number): Promise<Published> {
    this.#sinks[0]?.tell('reset');
    const before = this.server.schedule();
    const startedAt = performance.now();
    let queuedBytesMost = 0;
    for (let half = 0; half < seconds * 2; half++) {
      const count = publicationsPerSecond / 2;
      this.server.tell(`publish ${publicationsPerSecond} 1 ${count}`);
      await this.server.line(answerMs);
      queuedBytesMost = Math.max(queuedBytesMost, (await this.figures()).queuedBytes);
    }
    const waitingShare = (this.server.schedule().waiting - before.waiting) / 1e6 / (performance.now() - startedAt);
    await sleep(500);
    return { p99Ms: ((await this.#counts())[0]?.latencyMicroseconds.p99 ?? Number.NaN) / 1000, queuedBytesMost, waitingShare };
  }

  async figures(): Promise<GatewayFigures> {
    this.server.tell('figures');
    return JSON.parse(await this.server.line(answerMs)) as GatewayFigures;
  }

  async missing(): Promise<number> {
    return (await this.#counts()).reduce((sum, { missing }) => sum + missing, 0);
  }

  async closed(): Promise<number> {
    return (await this.#counts()).reduce((sum, { closed }) => sum + closed, 0);
  }

  async #counts(): Promise<readonly SinkCounts[]> {
    const counts: SinkCounts[] = [];
    for (const sink of this.#sinks) {
      sink.tell('count');
      counts.push(JSON.parse(await sink.line(answerMs)) as SinkCounts);
    }
    return counts;
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks) await sink.stop();
    await this.server.stop();
  }
}

/** The rows as Markdown. */
export function stalledTable(rows: ReadonlyMap<string, readonly Outcome<StalledResult>[]>): string {
  const bound = queueBytesMax * stalledMembers;
  const lines = stalledRows.flatMap(({ name, policy }) => {
    const given = results(rows.get(name) ?? []);
    if (given.length === 0) return [];
    const p99 = (side: 'reading' | 'stalled'): string => spreadText(spreadOf(given.map(({ p99Ms }) => p99Ms[side])), 1);
    const ratio = spreadOf(given.map(({ p99Ms }) => p99Ms.stalled / p99Ms.reading));
    const queued = Math.max(...given.map(({ queuedBytesMost }) => queuedBytesMost));
    return [
      [
        name,
        policy,
        p99('reading'),
        p99('stalled'),
        `${spreadText(ratio, 2)}; ${goalText(ratio.median, p99RatioMax, String(p99RatioMax))}`,
        `${(queued / 1024).toFixed(0)}; ${goalText(queued, bound, String(bound / 1024))}`,
        spreadText(spreadOf(given.map(({ residentBytes }) => residentBytes / 1024)), 0),
        given.map(({ dropped, seenMissing }) => `${dropped}${seenMissing === undefined ? '' : ` (${seenMissing} seen)`}`).join(', '),
        given.map(({ closed }) => closed).join(', '),
      ],
    ];
  });
  const head = [
    'row',
    'policy',
    'p99 of the others while all read, ms',
    `while ${stalledMembers} of ${members} do not, ms`,
    'ratio; goal',
    'most KiB queued; goal',
    'growth of RSS meanwhile, KiB',
    'dropped, each round',
    'disconnected',
  ];
  return table(head, lines);
}
