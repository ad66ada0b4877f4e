import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { pino } from 'pino';
import type { Policies } from '../../core/policy/policy.ts';
import { ClientPublishing } from '../../gateway/commands/client-publishing.ts';
import { Connection } from '../../gateway/connections/connection.ts';
import type { Encoding } from '../../gateway/encoding/encoding.ts';
import { readLastEventId } from '../../gateway/encoding/event-ids.ts';
import { streamEncoding } from '../../gateway/encoding/event-stream.ts';
import { StreamLines } from '../../gateway/streams/stream-lines.ts';
import { subscribeToQuery } from '../../gateway/streams/stream-subscriptions.ts';
import type { StreamQuery } from '../../gateway/streams/stream-request.ts';
import { plainEncoding } from '../../gateway/encoding/encodings.ts';
import { DoneFlushes } from '../../gateway/rooms/done-flushes.ts';
import { FanOut } from '../../gateway/rooms/fan-out.ts';
import { gatewayJournal } from '../../gateway/accounts/log-lines.ts';
import { GatewayMetrics } from '../../gateway/accounts/metrics.ts';
import { PlainDialect } from '../../gateway/commands/plain-dialect.ts';
import { Rooms } from '../../gateway/rooms/rooms.ts';
import { CommandTurns } from '../../gateway/commands/command-turns.ts';
import { Session, type SessionSurroundings } from '../../gateway/commands/session.ts';
import { V1Dialect } from '../../gateway/commands/v1-dialect.ts';
import { HistoryReads } from '../../gateway/pull/history-reads.ts';
import { PullDocuments } from '../../gateway/pull/pull-documents.ts';
import { readPullRequest } from '../../gateway/pull/pull-request.ts';
import type { EncodedDocument } from '../../gateway/pull/encoded-document.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import type { PullAnswer } from '../support/poller.ts';
import type { LogLink } from './log.ts';
import type { Random } from './random.ts';

const logger = pino({ level: 'silent' });
/** Nobody asks a simulated gateway what became of a flush: a ring of the product's size would cost most of a seed. */
const doneFlushesKept = 16;
/** What the process around the rooms would say of itself. */
export const gauges = {
  connectionsMax: () => 0,
  sockets: () => 0,
  subscriptions: () => 0,
  rooms: () => 0,
  busUp: () => true,
  stretchedRooms: () => 0,
  fanOutShare: () => 0,
};

/** The product's gateway, all but its sockets and its clock. */
export class SimulatedGateway {
  readonly metrics: GatewayMetrics;
  readonly rooms: Rooms;
  readonly log: LogLink;
  readonly #clock: FakeClock;
  readonly #surroundings: SessionSurroundings;
  readonly #documents: PullDocuments;
  #nextId = 1;

  constructor(options: {
    readonly clock: FakeClock;
    readonly log: LogLink;
    readonly policies: Policies;
    /** How long the loop is busy with something else before the next slice of a fan-out, in milliseconds. */
    readonly busyMs: () => number;
  }) {
    const { clock, log } = options;
    this.#clock = clock;
    this.log = log;
    this.metrics = new GatewayMetrics(new Registry(), gauges);
    // Every look at this clock costs time, so that a fan-out is cut into slices.
    let loopMs = 0;
    const fanOut = new FanOut({
      clock: { monotonic: () => (loopMs += 3), soon: (callback) => clock.after(options.busyMs(), callback) },
      onSlice: () => {},
    });
    this.rooms = new Rooms({
      log,
      policies: options.policies,
      surroundings: { fanOut, metrics: this.metrics, clock, done: new DoneFlushes(doneFlushesKept) },
      logger,
      share: 0.6,
    });
    this.#surroundings = {
      rooms: this.rooms,
      authenticate: () => Promise.resolve({ kind: 'refused', reason: 'nobody is known here' }),
      publishing: new ClientPublishing(log),
      countMembers: () => Promise.resolve({ kind: 'members', members: 0 }),
      metrics: this.metrics,
      journal: gatewayJournal(logger, clock),
      clock,
      turns: new CommandTurns({ clock, metrics: this.metrics }),
    };
    const reads = new HistoryReads({ log: { history: (channel, query) => log.readNow(channel, query) }, clock, onRead: () => undefined });
    this.#documents = new PullDocuments({ reads, clock, onEncoded: () => undefined, cacheBytesMax: 1e7, encode });
  }

  /** Answers `GET path` at once. */
  async pull(path: string): Promise<PullAnswer> {
    const read = readPullRequest('GET', path);
    if (read.kind !== 'request') throw new Error(`a reader asked for ${path}`);
    const { request } = read;
    const { history } = this.rooms.policies.of(request.channel);
    if (history === undefined) throw new Error('a reader asked for a channel without a history');
    const answer = await (request.kind === 'head'
      ? this.#documents.head(request.channel, history)
      : this.#documents.segment(request.channel, request.part, history));
    if (answer.kind === 'document') return { status: 200, document: JSON.parse(answer.document.plain.bytes.toString()) as unknown };
    const { status, code } = answer.refusal;
    return { status, document: { error: { code } } };
  }

  accept(encoding: Encoding, socket: SimulatedSocket): { readonly connection: Connection; send(text: string): void; drop(): void } {
    const { connection, drop } = this.#open(encoding, socket);
    const dialect =
      encoding === plainEncoding ? new PlainDialect(connection, this.#surroundings) : new V1Dialect(connection, this.#surroundings);
    const session = new Session(connection, dialect, this.#surroundings);
    return { connection, send: (text) => session.message(Buffer.from(text), 'text'), drop };
  }

  /** Begins an event stream. @returns what ends it, once its socket has ended */
  stream(query: StreamQuery, socket: SimulatedSocket): () => void {
    const places = readLastEventId(query.lastEventId, query.channels);
    if (places.kind === 'end') throw new Error('a page came back after the end');
    const { connection, drop } = this.#open(streamEncoding, socket, new StreamLines(query.channels, places.positions, 0.5));
    const session = new Session(connection, new V1Dialect(connection, this.#surroundings), this.#surroundings);
    session.begin(() => subscribeToQuery(connection, { query, places }, this.#surroundings));
    return drop;
  }

  #open(encoding: Encoding, socket: SimulatedSocket, own?: StreamLines): { readonly connection: Connection; readonly drop: () => void } {
    const leave = (): void => {
      for (const member of connection.members.slice()) this.rooms.leave(member);
    };
    const connection = new Connection({
      id: this.#nextId++,
      encoding,
      wire: { socket: socket as unknown as Duplex, close: () => socket.end(), terminate: () => socket.end() },
      now: this.#clock.time,
      onClose: leave,
      ...(own === undefined ? {} : { own }),
    });
    return {
      connection,
      drop: () => {
        leave();
        connection.ended();
      },
    };
  }
}

/** Compression is left out: it would take real time, on threads. */
function encode(text: string): Promise<EncodedDocument> {
  const plain = { bytes: Buffer.from(text), etag: '"x"' };
  return Promise.resolve({ plain, gzip: plain });
}

/** What `Connection` uses of a socket: bytes arrive after a delay, in order; a stalled reader lets them pile up. */
export class SimulatedSocket {
  writableLength = 0;
  written: Buffer[] = [];
  readonly #clock: FakeClock;
  readonly #random: Random;
  readonly #onFrames: (bytes: Buffer) => void;
  readonly #onEnd: () => void;
  #drainListener: (() => void) | undefined;
  #isStalled = false;
  #isEnded = false;
  #isBusy = false;

  constructor(options: {
    readonly clock: FakeClock;
    readonly random: Random;
    readonly onFrames: (bytes: Buffer) => void;
    readonly onEnd: () => void;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#onFrames = options.onFrames;
    this.#onEnd = options.onEnd;
  }

  write(bytes: Buffer): boolean {
    if (this.#isEnded) return true;
    this.written.push(bytes);
    this.writableLength += bytes.length;
    this.#pump();
    return this.writableLength < 2_000;
  }

  /** What is written in one turn arrives together anyway. */
  cork(): void {}

  uncork(): void {}

  once(_event: 'drain', listener: () => void): void {
    this.#drainListener = listener;
  }

  stall(isStalled: boolean): void {
    this.#isStalled = isStalled;
    this.#pump();
  }

  /** The other side goes without a word: what is under way is lost. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#clock.after(0, this.#onEnd);
  }

  #pump(): void {
    if (this.#isBusy || this.#isStalled || this.written.length === 0) return;
    this.#isBusy = true;
    this.#clock.after(1 + this.#random.below(10), () => {
      this.#isBusy = false;
      if (this.#isStalled) return;
      const bytes = this.written;
      this.written = [];
      this.writableLength = 0;
      for (const one of bytes) if (!this.#isEnded) this.#onFrames(one);
      const drained = this.#drainListener;
      this.#drainListener = undefined;
      drained?.();
      this.#pump();
    });
  }
}
