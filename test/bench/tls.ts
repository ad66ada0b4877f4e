import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Certificates } from '../support/certificates.ts';
import { BenchProcess, BenchProcessFailed } from './bench-process.ts';
import type { Bench, GatewayFigures } from './measure.ts';
import { ratioOf, spreadOf } from './spread.ts';
import { results, spreadText, table, type Outcome } from './tables.ts';

/** What TLS in the gateway costs: two gateways beside each other, one of them with a certificate. */
export const tlsRows = [{ name: 'tls' }] as const;

const kinds = ['plain', 'tls'] as const;
type Kind = (typeof kinds)[number];

interface Costs {
  /** CPU of the server for each connection until it is subscribed, in microseconds: of TLS with the handshake. */
  readonly connectMicroseconds: number;
  /** Growth of its resident memory for each idle subscribed connection. */
  readonly bytesPerConnection: number;
  /** CPU for each write to one member, turn by turn, in microseconds. */
  readonly writeMicroseconds: readonly number[];
}

export type TlsResult = Readonly<Record<Kind, Costs>> & { readonly missing: number };

const members = 200;
const idleMax = 2_000;
const publicationsPerTurn = 50;
const publicationsPerSecond = 25;
const answerMs = 180_000;

/** A gateway, and clients of Node: the same ones for both, since the C clients of the other rows know no TLS. */
class Place {
  readonly #bench: Bench;
  readonly #certificates: Certificates | undefined;
  readonly server: BenchProcess;
  #port = '';
  #clients: BenchProcess | undefined;

  constructor(bench: Bench, certificates: Certificates | undefined) {
    const node = [process.execPath, '--max-semi-space-size=4', ...bench.nodeArguments];
    this.#bench = bench;
    this.#certificates = certificates;
    this.server = new BenchProcess({
      name: 'gateway server',
      // No window: each publication is one write to each member.
      command: [...node, join(import.meta.dirname, 'gateway-server.ts'), '0', '500'],
      cpu: bench.pinned ? 0 : undefined,
      variables:
        certificates === undefined
          ? {}
          : { BARRAGE_TLS_CERT_FILE: certificates.certificateFile, BARRAGE_TLS_KEY_FILE: certificates.keyFile },
    });
  }

  async listens(): Promise<void> {
    const [word, port = ''] = (await this.server.line(answerMs)).split(' ');
    if (word !== 'listening') throw new BenchProcessFailed('the gateway did not listen');
    this.#port = port;
  }

  /** Connects and subscribes clients, in place of those from before. */
  async connect(count: number): Promise<void> {
    await this.#clients?.stop();
    const ca = this.#certificates?.caFile ?? '';
    this.#clients = new BenchProcess({
      name: 'clients',
      command: [process.execPath, join(import.meta.dirname, 'tls-clients.ts'), this.#port, String(count), ca],
      cpu: this.#bench.pinned ? 1 : undefined,
    });
    await this.#clients.line(answerMs);
  }

  async received(): Promise<number> {
    this.#clients?.tell('count');
    return Number(await this.#clients?.line(answerMs));
  }

  /** Flushes since the start: each is one write to each member. A busy machine merges, so that there are fewer. */
  async #flushes(): Promise<number> {
    this.server.tell('figures');
    return (JSON.parse(await this.server.line(answerMs)) as GatewayFigures).flushes;
  }

  /** Publishes for a turn; gives the CPU of one write, and what did not come. */
  async turn(): Promise<{ readonly microseconds: number; readonly missing: number }> {
    const expected = (await this.received()) + publicationsPerTurn * members;
    const flushes = await this.#flushes();
    const before = this.server.schedule().cpu;
    this.server.tell(`publish ${publicationsPerSecond} 1 ${publicationsPerTurn}`);
    await this.server.line(answerMs);
    let received = await this.received();
    for (let looks = 0; received < expected && looks < 100; looks++) {
      await sleep(50);
      received = await this.received();
    }
    const cpu = this.server.schedule().cpu - before;
    const microseconds = cpu / 1000 / ((await this.#flushes()) - flushes) / members;
    return { microseconds, missing: expected - received };
  }

  async stop(): Promise<void> {
    await this.#clients?.stop();
    await this.server.stop();
  }
}

/** @throws BenchProcessFailed */
export async function measureTls(bench: Bench): Promise<TlsResult> {
  const certificates = await Certificates.make();
  const places: Readonly<Record<Kind, Place>> = { plain: new Place(bench, undefined), tls: new Place(bench, certificates) };
  const idle = Math.min(idleMax, bench.idleConnections);
  const costs = { plain: { connect: 0, bytes: 0, turns: [] as number[] }, tls: { connect: 0, bytes: 0, turns: [] as number[] } };
  let missing = 0;
  try {
    for (const kind of kinds) {
      const { server } = places[kind];
      await places[kind].listens();
      await sleep(bench.settleMs);
      const [cpu, bytes] = [server.schedule().cpu, server.residentBytes()];
      await places[kind].connect(idle);
      costs[kind].connect = (server.schedule().cpu - cpu) / 1000 / idle;
      await sleep(bench.settleMs);
      costs[kind].bytes = (server.residentBytes() - bytes) / idle;
      await places[kind].connect(members);
      for (let warmUp = 0; warmUp < bench.warmUpSeconds; warmUp++) await places[kind].turn();
    }
    for (let turn = 0; turn < bench.seconds; turn++) {
      for (const kind of turn % 2 === 0 ? kinds : kinds.toReversed()) {
        const result = await places[kind].turn();
        costs[kind].turns.push(result.microseconds);
        missing += result.missing;
      }
    }
  } finally {
    await Promise.all(kinds.map((kind) => places[kind].stop()));
    await certificates.dispose();
  }
  const of = (kind: Kind): Costs => ({
    connectMicroseconds: costs[kind].connect,
    bytesPerConnection: costs[kind].bytes,
    writeMicroseconds: costs[kind].turns,
  });
  return { plain: of('plain'), tls: of('tls'), missing };
}

function spreadOrNone(spread: ReturnType<typeof ratioOf>): string {
  return spread === undefined ? 'none' : spreadText(spread, 2);
}

/** The two gateways as Markdown; ratios are taken within a turn. */
export function tlsTable(rows: ReadonlyMap<string, readonly Outcome<TlsResult>[]>): string {
  const all = results(rows.get('tls') ?? []);
  if (all.length === 0) return '';
  const missing = all.reduce((sum, result) => sum + result.missing, 0);
  const lines = kinds.map((kind) => {
    const writes = all.flatMap((result) => result[kind].writeMicroseconds);
    const kibibytes = all.map((result) => result[kind].bytesPerConnection / 1024);
    const connects = all.map((result) => result[kind].connectMicroseconds);
    const plain = all.flatMap((result) => result.plain.writeMicroseconds);
    const ratio = kind === 'plain' ? '–' : `${spreadOrNone(ratioOf(writes, plain))} ×`;
    return [
      kind === 'plain' ? 'plain HTTP' : 'TLS in the gateway',
      spreadText(spreadOf(writes), 2),
      ratio,
      spreadText(spreadOf(kibibytes), 1),
      spreadText(spreadOf(connects), 0),
      String(missing),
    ];
  });
  const head = [
    'server',
    'CPU µs per write: median (min–max)',
    'ratio',
    'KiB per idle connection',
    'CPU µs per connect',
    'missing, of all',
  ];
  return table(head, lines);
}
