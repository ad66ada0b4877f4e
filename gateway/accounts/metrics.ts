import { Counter, Histogram, type Registry } from 'prom-client';
import { exportBusUp, readCounter, readGauge } from '../../core/process/read-metrics.ts';
import { priorities, type PlacedPublication, type Publication } from '../../core/publication.ts';
import type { Cut } from '../merging/cut.ts';
import { holeResults, type HeldBytes } from '../recovery/hole.ts';
import { exportBusiest, type BusiestChannels } from './busiest-channels.ts';
import { ClientCensus } from './client-census.ts';
import { exportClients, exportPolicies } from './labelled-metrics.ts';
import { Distribution } from './distribution.ts';
import { PolicyAccounts } from './policy-accounts.ts';
import { PullMetrics } from './pull-metrics.ts';
import { StreamMetrics } from './stream-metrics.ts';
import { Tally } from './tally.ts';

/** Things that wait for their turn. */
interface Waiting {
  readonly waiting: number;
}

/** Sources of the gauges, read at a scrape. */
export interface GatewayGauges {
  /** Most connections that this gateway accepts. */
  readonly connectionsMax: () => number;
  readonly sockets: () => number;
  readonly subscriptions: () => number;
  readonly rooms: () => number;
  readonly busUp: () => boolean;
  readonly stretchedRooms: () => number;
  readonly fanOutShare: () => number;
}

const seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** The metrics of one gateway process, named as in `docs/metrics.md`. No label is a user or a connection. */
export class GatewayMetrics {
  /** The process's accounts of all rooms since the start, closed rooms included. */
  readonly tally = new Tally();
  /** The same by policy, for the policies in force. */
  readonly policies = new PolicyAccounts((frames, bytes) => this.#sent(frames, bytes));
  readonly clients = new ClientCensus();
  /** The queues of the connections whose socket takes no more at the moment. */
  readonly queues = new Set<{ readonly bytes: number }>();
  /** The busiest channels of the last window. */
  busiest: BusiestChannels = { loaded: [], dropping: [] };
  /** Bytes that wait behind holes of all rooms. */
  readonly heldBehindHoles: HeldBytes = { bytes: 0 };
  /** Payload bytes of the newest publications that rooms keep for clients that come back. */
  readonly recentBytes: HeldBytes = { bytes: 0 };
  readonly resumes: Counter<'result'>;
  readonly resumeReads: Counter;
  readonly resumedPublications: Counter;
  /** Reads of histories that are under way or wait for their turn. */
  historyReads = 0;
  /** What waits for a later turn of the loop. */
  commandTurns: Waiting = { waiting: 0 };
  catchUpTurns: Waiting = { waiting: 0 };
  readonly busGaps: Counter;
  readonly holesFound: Counter;
  readonly holesClosed: Counter<'result'>;
  readonly heldFlushes: Counter;
  readonly openedConnections: Counter;
  readonly endedConnections: Counter<'how'>;
  readonly refusedConnections: Counter<'reason'>;
  readonly closedConnections: Counter<'code'>;
  readonly commands: Counter<'result'>;
  readonly refusedRooms: Counter<'reason'>;
  readonly counts: Counter<'result'>;
  readonly scriptRequests: Counter<'result'>;
  #framesSent = 0;
  #bytesSent = 0;
  #received = 0;
  #flushes = 0;
  readonly pull: PullMetrics;
  readonly streams: StreamMetrics;
  readonly #mergePublications: Distribution;
  readonly #mergeWindow: Distribution;
  readonly #latency: Distribution;
  readonly #slice: Distribution;
  readonly #loopSlice: Histogram<'loop'>;

  constructor(registry: Registry, gauges: GatewayGauges) {
    const registers = [registry];
    const gauge = (name: string, help: string, read: () => number): void => readGauge(registry, { name, help }, read);
    const counted = (name: string, help: string, read: () => number): void => readCounter(registry, { name, help }, read);
    gauge(
      'barrage_gateway_connections_max',
      'Connections that this gateway accepts (`BARRAGE_GATEWAY_CONNECTIONS_MAX`).',
      gauges.connectionsMax,
    );
    gauge(
      'barrage_gateway_sockets',
      "Open sockets on the clients' port, whatever they speak: WebSocket, HTTP, half a handshake.",
      gauges.sockets,
    );
    gauge('barrage_gateway_subscriptions', 'Subscriptions of all client connections.', gauges.subscriptions);
    gauge('barrage_gateway_rooms', 'Rooms: channels with a member here.', gauges.rooms);
    gauge(
      'barrage_gateway_rooms_stretched',
      'Rooms whose merge window is longer than their policy says, for want of CPU.',
      gauges.stretchedRooms,
    );
    gauge(
      'barrage_gateway_fan_out_share',
      'Share of the event loop that fan-out would take at the windows of the policies, which may be full before their end. Above `BARRAGE_FAN_OUT_PERCENT` windows stretch.',
      gauges.fanOutShare,
    );
    exportBusUp(registry, gauges.busUp);
    counted('barrage_gateway_publications_received_total', 'Publications received from the bus.', () => this.#received);
    this.busGaps = new Counter({
      name: 'barrage_gateway_bus_gaps_total',
      help: 'Rooms that missed publications because the bus was interrupted.',
      registers,
    });
    this.holesFound = new Counter({
      name: 'barrage_gateway_holes_found_total',
      help: 'Holes in the orders of rooms whose channel has a history: publications that did not come from the bus.',
      registers,
    });
    this.holesClosed = new Counter({
      name: 'barrage_gateway_holes_closed_total',
      help: 'Ends of such holes by result. `filled`: the publications were read from the history, and no client noticed. Otherwise clients have a gap: `too_large` for one gateway to read, `lost` (the history has them no more), or `unavailable` (the bus did not give them in time).',
      labelNames: ['result'],
      registers,
    });
    for (const result of holeResults) this.holesClosed.inc({ result }, 0);
    this.scriptRequests = new Counter({
      name: 'barrage_gateway_script_requests_total',
      help: 'Requests for the client for browsers (`/barrage.js`) by result: `sent`, `unchanged` (304), `missing` (404: a version that this gateway does not have, or it was not built).',
      labelNames: ['result'],
      registers,
    });
    for (const result of ['sent', 'unchanged', 'missing']) this.scriptRequests.inc({ result }, 0);
    this.resumes = new Counter({
      name: 'barrage_gateway_resumes_total',
      help: 'Subscribes with a position (`since`) by result: `recovered` (nothing was missed, or all of it was given), or `lost` (the client has a gap).',
      labelNames: ['result'],
      registers,
    });
    for (const result of ['recovered', 'lost']) this.resumes.inc({ result }, 0);
    this.resumeReads = new Counter({
      name: 'barrage_gateway_resume_reads_total',
      help: 'Reads of a history for clients that come back or join late. A room needs one at most for all of them, and none for what it has received itself.',
      registers,
    });
    this.resumedPublications = new Counter({
      name: 'barrage_gateway_resumed_publications_total',
      help: 'Publications given to clients that came back (`since`) or joined late (`rewind`).',
      registers,
    });
    this.heldFlushes = new Counter({
      name: 'barrage_gateway_flushes_held_total',
      help: 'Flushes that were due and waited, because their room had the most flushes that may be under way. A few now and then are a burst. A steady rise is a process that cannot keep up.',
      registers,
    });
    this.openedConnections = new Counter({
      name: 'barrage_gateway_connections_opened_total',
      help: 'Client connections that were opened.',
      registers,
    });
    this.endedConnections = new Counter({
      name: 'barrage_gateway_connections_ended_total',
      help: 'Client connections that ended: `closed` by the gateway, `left` by the client, or `cut`: neither sent a close frame, so the network or a proxy ended it.',
      labelNames: ['how'],
      registers,
    });
    for (const how of ['closed', 'left', 'cut']) this.endedConnections.inc({ how }, 0);
    this.refusedConnections = new Counter({
      name: 'barrage_gateway_connections_refused_total',
      help: 'Refused connections by reason: `full` (also sockets without a request that were closed because there were too many), `rate` (more than `BARRAGE_GATEWAY_ACCEPTS_PER_SECOND` at once), `origin`, `host`, `unready`, `request` (not an HTTP request, or too slow).',
      labelNames: ['reason'],
      registers,
    });
    this.closedConnections = new Counter({
      name: 'barrage_gateway_connections_closed_total',
      help: 'Connections that the gateway closed, by close code.',
      labelNames: ['code'],
      registers,
    });
    this.commands = new Counter({
      name: 'barrage_gateway_commands_total',
      help: 'Commands of clients by result: `done`, `refused`, `too_many`, `bad`.',
      labelNames: ['result'],
      registers,
    });
    this.refusedRooms = new Counter({
      name: 'barrage_gateway_rooms_refused_total',
      help: 'Channels without a member here that were not opened: the connection (`connection_rate`) or the gateway (`gateway_rate`) opened too many.',
      labelNames: ['reason'],
      registers,
    });
    this.counts = new Counter({
      name: 'barrage_gateway_counts_total',
      help: 'Answers to `counts`: `answered`, or `unknown` (a gateway has not reported, or the bus is away).',
      labelNames: ['result'],
      registers,
    });
    counted('barrage_gateway_flushes_total', 'Merge windows that were flushed.', () => this.#flushes);
    this.#mergePublications = new Distribution(registry, {
      name: 'barrage_gateway_merge_publications',
      help: 'Publications per flush: the merge rate.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    });
    this.#mergeWindow = new Distribution(registry, {
      name: 'barrage_gateway_merge_window_seconds',
      help: 'Length of the merge window in force at a flush.',
      buckets: [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
    });
    this.#latency = new Distribution(registry, {
      name: 'barrage_delivery_latency_seconds',
      help: "Time from a publication's acceptance by a publisher until it is written to all members here. Across machines it is right to within their clock skew (NTP: some milliseconds), as is `ttlMs`.",
      buckets: seconds,
    });
    this.#slice = new Distribution(registry, {
      name: 'barrage_gateway_fan_out_slice_seconds',
      help: 'Time that one slice of fan-out held the event loop (bound: 20 ms).',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1],
    });
    this.#loopSlice = new Histogram({
      name: 'barrage_gateway_loop_slice_seconds',
      help: 'Time that one slice of another loop held the event loop (bound: 20 ms). `sweep` goes over all connections once in a ping interval, `age` once in ten seconds where connections have a greatest age, `cadence` over the rooms with recent traffic, `policies` over rooms and members, `drain` and `end` over the connections that must end, `ops` over all connections and rooms while somebody looks at `/ops`.',
      labelNames: ['loop'],
      buckets: [0.001, 0.005, 0.01, 0.02, 0.05, 0.1],
      registers,
    });
    const { tally } = this;
    counted('barrage_gateway_frames_sent_total', 'Frames of publications handed to sockets.', () => this.#framesSent);
    counted(
      'barrage_gateway_publications_offered_total',
      'Publications × members at each cut = delivered + dropped + pending, exactly.',
      () => priorities.reduce((sum, priority) => sum + tally.count('offered', priority), 0),
    );
    gauge('barrage_gateway_publications_pending', "Publications × members that wait in the gateway's queues.", () =>
      priorities.reduce((sum, priority) => sum + tally.pending(priority), 0),
    );
    gauge('barrage_gateway_queued_bytes', 'Bytes in the queues of connections whose client reads too slowly.', () =>
      [...this.queues].reduce((sum, { bytes }) => sum + bytes, 0),
    );
    gauge(
      'barrage_gateway_connections_blocked',
      'Connections whose socket takes no more bytes at the moment: what is for them waits in their queues.',
      () => this.queues.size,
    );
    gauge(
      'barrage_gateway_held_behind_holes_bytes',
      'Bytes of publications that wait until the hole before them is filled (bound: 64 MiB).',
      () => this.heldBehindHoles.bytes,
    );
    gauge(
      'barrage_gateway_history_reads',
      'Reads of histories that are under way (16 at most) or wait for their turn.',
      () => this.historyReads,
    );
    gauge(
      'barrage_gateway_commands_waiting',
      'Commands of clients that wait for a later turn of the loop: many clients speak at once.',
      () => this.commandTurns.waiting,
    );
    gauge(
      'barrage_gateway_catch_ups_waiting',
      'Clients that wait for their turn to be given what they missed (16 at a time).',
      () => this.catchUpTurns.waiting,
    );
    this.pull = new PullMetrics(registry);
    this.streams = new StreamMetrics(registry);
    gauge(
      'barrage_gateway_recent_publications_bytes',
      'Payload bytes of the newest publications that rooms with a history keep for clients that come back (bound: 128 MiB, and 1 MiB a room).',
      () => this.recentBytes.bytes,
    );
    exportClients(registry, this.clients);
    exportPolicies(registry, this.policies);
    exportBusiest(registry, () => this.busiest);
  }

  /** Bytes of publications sent since the start, frame headers included. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Counts publications that came from the bus. */
  received(publications: number): void {
    this.#received += publications;
  }

  flushed(cut: Cut, windowMs: number): void {
    const publications = cut.upto - cut.after;
    if (publications === 0) return;
    this.#flushes++;
    this.#mergePublications.observe(publications);
    this.#mergeWindow.observe(windowMs / 1000);
  }

  #sent(frames: number, bytes: number): void {
    this.#framesSent += frames;
    this.#bytesSent += bytes;
  }

  /**
   * Observes one slice of a loop: `sweep` and `age` over the connections, `cadence` over active rooms, `policies` over
   * rooms and members, `drain` and `end` over the leaving connections, `ops` over all connections and rooms for an open
   * page.
   */
  loopSlice(loop: 'sweep' | 'age' | 'cadence' | 'policies' | 'drain' | 'end' | 'ops', milliseconds: number): void {
    this.#loopSlice.observe({ loop }, milliseconds / 1000);
  }

  slice(milliseconds: number): void {
    this.#slice.observe(milliseconds / 1000);
  }

  observeLatency(publications: readonly PlacedPublication[], now: number): void {
    for (const { publication } of publications) this.#latency.observe(latencyOf(publication, now));
  }

  /** Keeps a publication's trace as the exemplar of its latency, which was observed before. */
  latencyExemplar(publication: Publication, now: number, traceId: string): void {
    this.#latency.exemplify(latencyOf(publication, now), traceId, now);
  }
}

/** Latency of a publication, never negative: a publisher's clock that is ahead counts as no delay. */
function latencyOf({ acceptedAt }: Publication, now: number): number {
  return Math.max(0, now - acceptedAt) / 1000;
}
