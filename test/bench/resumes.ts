import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Policies, policyFileSchema } from '../../core/policy/policy.ts';
import type { Position } from '../../core/publication.ts';
import { RedisServer } from '../support/redis-server.ts';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import type { Bench, SinkCounts } from './measure.ts';
import { benchFolder } from './programs.ts';
import { spreadOf } from './spread.ts';
import { goalText, results, spreadText, table, type Outcome } from './tables.ts';

/** A thousand clients that come back at once to a gateway with members who stayed. */
export interface ResumeRow {
  readonly name: string;
  readonly title: string;
  /** Whether they come back to the members' channel or each to a channel of its own, which has no room yet. */
  readonly to: 'members' | 'own';
  /** Whether their connections are there before, so that all subscribe at one instant. */
  readonly by: 'open' | 'dialed';
  /** Publications that each has missed. */
  readonly missed: number;
}

const liveSeconds = 4;
const publicationsPerSecond = 25;
/** Publications before the gateway has the room: nobody but the bus has them. */
const earlier = 100;
/** Published while the gateway has the room, before the clients come back. */
const before = publicationsPerSecond * (1 + liveSeconds);

const few = 100;
export const resumeRows: readonly ResumeRow[] = [
  { name: 'resume-recent', title: 'to the members’ channel, from recent memory', to: 'members', by: 'open', missed: few },
  { name: 'resume-read', title: 'to it, by a read of the bus', to: 'members', by: 'open', missed: before + 25 },
  { name: 'resume-dialed', title: 'to it, from recent memory, handshakes too', to: 'members', by: 'dialed', missed: few },
  { name: 'resume-channels', title: 'each to a channel of its own, by reads of the bus', to: 'own', by: 'open', missed: earlier },
];

interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ResumeResult {
  /** From a publication's making to the members' sockets, in milliseconds: alone, and while the clients come back. */
  readonly quiet: Latency;
  readonly coming: Latency;
  /** Until the last client had its answer. */
  readonly answeredMs: number;
  readonly recovered: number;
  /** Publications that all clients together were given of what they had missed. */
  readonly given: number;
  readonly reads: number;
  /** Most CPU that the gateway's loop took for one turn. */
  readonly heldMs: number;
  readonly waitingShare: number;
}

/** What the gateway of these rows says of itself. */
export interface ResumeFigures {
  readonly reads: number;
  readonly resumed: number;
  readonly heldMs: number;
}

/** The newest position of each channel. */
export type ResumePositions = Readonly<Record<string, Position>>;

export const resumeHistory = { size: 1_000, ttlSeconds: 3_600, resumePublicationsMax: 300, rewindOnSubscribe: 0 };
export const liveChannel = 'room:bench';
const members = 200;
const returning = 1_000;
const answerMs = 30_000;
const delayMsMax = 50;

/** Every channel has a history, and nothing is merged: the window would hide a delay. */
export function resumePolicies(): Policies {
  const merge = { windowMilliseconds: 0, publicationsMax: 1 };
  return new Policies(policyFileSchema.parse({ channels: [{ channel: 'room:*', history: resumeHistory, merge }] }).channels);
}

/** @throws BenchProcessFailed */
export async function measureResume(bench: Bench, row: ResumeRow): Promise<ResumeResult> {
  const redis = await RedisServer.start();
  const stage = new ResumeStage(bench, row, redis.url);
  try {
    return await stage.measure();
  } finally {
    await stage.close();
    await redis.dispose();
  }
}

class ResumeStage {
  readonly #bench: Bench;
  readonly #row: ResumeRow;
  readonly #publisher: BenchProcess;
  readonly #server: BenchProcess;
  readonly #sinks: BenchProcess[] = [];

  constructor(bench: Bench, row: ResumeRow, url: string) {
    this.#bench = bench;
    this.#row = row;
    const channels = row.to === 'own' ? Array.from({ length: returning }, (_, index) => ownChannel(index)) : [];
    const node = [process.execPath, '--max-semi-space-size=4', ...bench.nodeArguments];
    const publish = [process.execPath, join(import.meta.dirname, 'resume-publisher.ts'), url, String(earlier), ...channels];
    this.#publisher = this.#start('publisher', publish, 1);
    this.#server = this.#start('gateway server', [...node, join(import.meta.dirname, 'resume-server.ts'), url], 0);
  }

  async measure(): Promise<ResumeResult> {
    await this.#publisher.line(answerMs);
    const [word, port = ''] = (await this.#server.line(answerMs)).split(' ');
    if (word !== 'listening') throw new BenchProcessFailed('the gateway did not listen');
    const steady = await this.#sink([port, String(members), 'barrage.v1']);
    const clients = await this.#sink([port, String(returning), this.#row.by === 'open' ? 'returning' : 'dialing']);
    await this.#publish(1);
    const quiet = await this.#latency(steady, () => this.#publish(liveSeconds));
    const figuresBefore = await ask<ResumeFigures>(this.#server, 'figures');
    const scheduleBefore = this.#server.schedule();
    const startedAt = performance.now();
    let came = { recovered: 0, lost: 0, microseconds: Number.NaN };
    // A few publications more are missed until they come.
    const subscribes = await this.#subscribes();
    const coming = await this.#latency(steady, async () => {
      const publishing = this.#publish(liveSeconds);
      await sleep(500);
      clients.tell(`come ${subscribes}`);
      came = JSON.parse(await clients.line(answerMs)) as typeof came;
      await publishing;
    });
    const waitingShare = (this.#server.schedule().waiting - scheduleBefore.waiting) / 1e6 / (performance.now() - startedAt);
    const figures = await ask<ResumeFigures>(this.#server, 'figures');
    const given = await ask<SinkCounts>(clients, 'count');
    if (given.misordered > 0 || given.closed > 0) throw new BenchProcessFailed('a client was given something twice, or was ended');
    return {
      quiet,
      coming,
      answeredMs: came.microseconds / 1000,
      recovered: came.recovered,
      given: figures.resumed - figuresBefore.resumed,
      reads: figures.reads - figuresBefore.reads,
      heldMs: figures.heldMs,
      waitingShare,
    };
  }

  /** The file with what the clients send. */
  async #subscribes(): Promise<string> {
    const positions = await ask<ResumePositions>(this.#publisher, 'figures');
    const { to, missed } = this.#row;
    const lines = Array.from({ length: returning }, (_, index) => {
      const channel = to === 'own' ? ownChannel(index) : liveChannel;
      const { epoch, offset } = positions[channel] ?? { epoch: '', offset: 0 };
      return `${JSON.stringify({ id: 1, op: 'subscribe', channel, since: { epoch, offset: offset - missed } })}\n`;
    });
    const path = join(benchFolder, 'coming');
    writeFileSync(path, lines.join(''));
    return path;
  }

  async #publish(seconds: number): Promise<void> {
    this.#publisher.tell(`publish ${publicationsPerSecond} 1 ${publicationsPerSecond * seconds}`);
    await this.#publisher.line(answerMs);
  }

  async #latency(sink: BenchProcess, run: () => Promise<void>): Promise<Latency> {
    sink.tell('reset');
    await run();
    await sleep(500);
    const { p50, p99, max } = (await ask<SinkCounts>(sink, 'count')).latencyMicroseconds;
    return { p50: p50 / 1000, p99: p99 / 1000, max: max / 1000 };
  }

  async #sink(args: readonly string[]): Promise<BenchProcess> {
    const sink = this.#start('sink', [this.#bench.sink, ...args], 1);
    await sink.line(60_000);
    return sink;
  }

  #start(name: string, command: readonly string[], cpu: number): BenchProcess {
    const started = new BenchProcess({ name, command, cpu: this.#bench.pinned ? cpu : undefined });
    this.#sinks.push(started);
    return started;
  }

  async close(): Promise<void> {
    for (const each of this.#sinks) await each.stop();
  }
}

function ownChannel(index: number): string {
  return `room:own-${index}`;
}

async function ask<Answer>(program: BenchProcess, question: string): Promise<Answer> {
  program.tell(question);
  return JSON.parse(await program.line(answerMs)) as Answer;
}

/** The rows as Markdown. The delay is what the last member waited for any publication, above the quiet median. */
export function resumeTable(rows: ReadonlyMap<string, readonly Outcome<ResumeResult>[]>): string {
  const lines = resumeRows.flatMap(({ name, title, missed }) => {
    const given = results(rows.get(name) ?? []);
    if (given.length === 0) return [];
    const text = (side: 'quiet' | 'coming'): string =>
      (['p50', 'p99', 'max'] as const).map((part) => spreadOf(given.map((each) => each[side][part])).median.toFixed(1)).join(' / ');
    const delay = spreadOf(given.map(({ quiet, coming }) => coming.max - quiet.p50));
    return [
      [
        name,
        title,
        String(missed),
        text('quiet'),
        text('coming'),
        `${spreadText(delay, 1)}; ${goalText(delay.median, delayMsMax, String(delayMsMax))}`,
        spreadText(spreadOf(given.map(({ heldMs }) => heldMs)), 1),
        spreadText(spreadOf(given.map(({ answeredMs }) => answeredMs)), 0),
        given.map(({ recovered }) => recovered).join(', '),
        given.map((each) => String(each.given)).join(', '),
        given.map(({ reads }) => reads).join(', '),
      ],
    ];
  });
  const head = [
    'row',
    `${returning} clients come back`,
    'missed by each',
    'before: p50 / p99 / max, ms',
    'meanwhile: p50 / p99 / max, ms',
    'greatest delay, ms; goal',
    'longest turn, ms of CPU',
    'all answered after, ms',
    'recovered',
    'publications given',
    'reads of the bus',
  ];
  return table(head, lines);
}
