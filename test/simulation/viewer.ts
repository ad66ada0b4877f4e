import type { BackoffBounds } from '../../core/backoff.ts';
import { ServerClock } from '../../client/server-clock.ts';
import * as extra from '../../client/extra.ts';
import { Subscription } from '../../client/subscription.ts';
import { countAfter } from '../../client/sums.ts';
import { isSubscribeResult, readMessage, type ReceivedBatch } from '../../client/wire.ts';
import type { Connection } from '../../client/connection.ts';
import type { Position, Publication } from '../../core/publication.ts';
import { v1Encoding } from '../../gateway/encoding/encodings.ts';
import { readFrames } from '../support/frames.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { SimulatedSocket, type SimulatedGateway } from './gateway.ts';
import { Ledger } from './ledger.ts';
import type { SimulatedLog } from './log.ts';
import { PullReader, type Pull } from './pull-reader.ts';
import type { Random } from './random.ts';

interface Link {
  readonly gateway: SimulatedGateway;
  readonly socket: SimulatedSocket;
  readonly server: ReturnType<SimulatedGateway['accept']>;
  isOver: boolean;
  subscribeId: number | undefined;
  /** Where the client goes when it has ended. */
  comesBack: { readonly afterMs: number; readonly to: SimulatedGateway };
}

/** A message of a channel's order. */
export type ReceivedMessage = Parameters<Subscription['received']>[1];

/** How the application behind a viewer wants its channel. */
export interface Habits {
  readonly density?: number | undefined;
  readonly rewind?: number | undefined;
  /** Its player is behind, by now more and now less. */
  readonly isDelayed?: boolean;
  readonly takesSnapshots?: boolean;
}

export interface ViewerOptions {
  readonly clock: FakeClock;
  readonly random: Random;
  readonly log: SimulatedLog;
  readonly pull: Pull;
  readonly habits: Habits;
  readonly mayLeaveOut: (publication: Publication) => boolean;
}

/** What happened to a viewer. */
export interface ViewerCounts {
  moves: number;
  resumesRecovered: number;
  resumesRefused: number;
  stepsToPull: number;
  stepsToSocket: number;
  segments: number;
  /** Sums of which a part was known already. */
  cutDown: number;
  /** Joins that were given what had come before. */
  rewound: number;
}

export const noCounts: Readonly<ViewerCounts> = {
  moves: 0,
  resumesRecovered: 0,
  resumesRefused: 0,
  stepsToPull: 0,
  stepsToSocket: 0,
  segments: 0,
  cutDown: 0,
  rewound: 0,
};

const backoff: BackoffBounds = { baseMs: 100, capMs: 1_000 };
/** As long as the SDK keeps both connections of a move, in milliseconds. */
const moveMsMax = 5_000;

/**
 * A client: the SDK's own `Subscription` on simulated sockets, or on pull. A ledger checks everything that its
 * application is told.
 */
export class Viewer {
  readonly #options: ViewerOptions;
  readonly ledger: Ledger;
  readonly subscription: Subscription;
  readonly #serverClock = new ServerClock();
  readonly counts: ViewerCounts = { ...noCounts };
  /** Publications in the frames that arrived, whether new or not. */
  arrived = 0;
  #link: Link | undefined;
  /** The connection that is being left. */
  #old: Link | undefined;
  #reader: PullReader | undefined;
  #nextId = 1;
  /** When it asked for what had come before, and has not had its first batch; Unix milliseconds. */
  #rewindsAt = 0;
  isGone = false;

  constructor(options: ViewerOptions) {
    this.#options = options;
    const { clock, random, log, mayLeaveOut, habits } = options;
    const { density, rewind, isDelayed = false, takesSnapshots = false } = habits;
    const delayMs = (): number => (isDelayed ? (Math.floor(clock.time / 700) % 3) * 500 : 0);
    this.ledger = new Ledger({ log, clock, mayLeaveOut, delayMs, readsAtOnce: () => this.pulls && !takesSnapshots });
    this.subscription = new Subscription(
      log.channel,
      {
        ...(density === undefined ? {} : { density }),
        ...(rewind === undefined ? {} : { rewind }),
        ...(isDelayed ? { delay: delayMs } : {}),
        ...(takesSnapshots ? { getState: (position) => this.#state(position) } : {}),
      },
      {
        times: { clock, random: random.fraction, bounds: () => backoff },
        serverClock: this.#serverClock,
        density: (_channel, wanted) =>
          Promise.resolve(this.#tellAll({ op: 'density', channel: log.channel, ...(wanted === undefined ? {} : { density: wanted }) })),
        unsubscribe: () => Promise.resolve(),
        gap: () => undefined,
        unheard: () => undefined,
      },
    );
    this.subscription.equip(extra);
    this.ledger.listen(this.subscription, takesSnapshots);
  }

  /** Whether it reads by pull now. */
  get pulls(): boolean {
    return this.#reader !== undefined;
  }

  connect(gateway: SimulatedGateway): void {
    this.#link = this.#dial(gateway);
    this.#subscribe(this.#link);
  }

  stall(isStalled: boolean): void {
    this.#link?.socket.stall(isStalled);
    this.#old?.socket.stall(isStalled);
  }

  changeDensity(density: number | undefined): void {
    void this.subscription.setDensity(density);
  }

  /** The connection breaks; the client comes back somewhere after a while. */
  breakLink(gateways: readonly SimulatedGateway[], awayMs: number): void {
    const link = this.#link;
    if (this.#old !== undefined || link === undefined || link.isOver) return;
    link.comesBack = { afterMs: awayMs, to: this.#options.random.pick(gateways) };
    link.socket.end();
  }

  move(to: SimulatedGateway): void {
    const link = this.#link;
    if (this.#old !== undefined || link === undefined || link.isOver || this.subscription.state !== 'subscribed') return;
    this.counts.moves++;
    this.#old = link;
    const next = this.#dial(to);
    this.#link = next;
    this.subscription.moveTo(connectionOf(next), extra);
    this.#subscribe(next);
    this.#options.clock.after(moveMsMax, () => {
      if (this.#old === link && this.#link === next) this.#endMove();
    });
  }

  /** Goes on by pull, from its position or at the head. */
  stepToPull(): void {
    const { log, clock, random, pull } = this.#options;
    if (this.#old !== undefined || this.#reader !== undefined) return;
    if (this.#link !== undefined) {
      this.counts.stepsToPull++;
      this.#hangUp();
      this.subscription.lost();
    }
    const position = this.subscription.arrived;
    const reader: PullReader = new PullReader({
      channel: log.channel,
      position,
      pull,
      clock,
      random,
      rewind: this.subscription.rewind,
      serverNow: () => this.#serverClock.at(clock.monotonic()),
      onJoined: (result) => {
        if (this.#reader === reader) this.subscription.joined(connectionOf(reader), result);
      },
      onSegment: () => this.counts.segments++,
      onMessage: (message) => {
        if (this.#reader === reader) this.subscription.received(connectionOf(reader), message);
      },
    });
    this.#reader = reader;
    this.#serverClock.greeted(clock.wall(), clock.monotonic());
  }

  /** Goes on with a socket, from its position. */
  stepToSocket(gateway: SimulatedGateway): void {
    if (this.#reader === undefined) return;
    this.counts.stepsToSocket++;
    this.#stopReader();
    this.subscription.lost();
    this.connect(gateway);
  }

  leave(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.subscription.end('unsubscribed');
    this.#stopReader();
    this.#link?.socket.end();
    this.#old?.socket.end();
  }

  #stopReader(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    reader.stop();
    this.#reader = undefined;
  }

  /** The application's own state at a position, after a while; now and then it has none. */
  #state(position: unknown): Promise<unknown> {
    const { clock, random } = this.#options;
    return new Promise((resolve, reject) => {
      clock.after(random.below(150), () => (random.chance(0.2) ? reject(new Error('no state')) : resolve({ upto: position })));
    });
  }

  #hangUp(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.socket.end();
  }

  #dial(gateway: SimulatedGateway): Link {
    const { clock, random } = this.#options;
    const socket: SimulatedSocket = new SimulatedSocket({
      clock,
      random,
      onFrames: (bytes) => {
        for (const { opcode, payload } of readFrames(bytes))
          this.#receive(link, opcode === 1 ? payload.toString() : new Uint8Array(payload).buffer);
      },
      onEnd: () => this.#ended(link),
    });
    this.#serverClock.greeted(clock.wall(), clock.monotonic());
    const link: Link = {
      gateway,
      socket,
      server: gateway.accept(v1Encoding, socket),
      isOver: false,
      subscribeId: undefined,
      // The gateway may end it, since it reads too slowly.
      comesBack: { afterMs: 20 + random.below(50), to: gateway },
    };
    return link;
  }

  #ended(link: Link): void {
    link.isOver = true;
    link.server.drop();
    if (this.isGone) return;
    if (link === this.#old) return this.#endMove();
    if (link !== this.#link) return;
    const old = this.#old;
    this.#old = undefined;
    if (old !== undefined && !old.isOver) {
      // The move failed: the old connection stays.
      this.#link = old;
      this.subscription.stay();
      return;
    }
    this.subscription.lost();
    const { afterMs, to } = link.comesBack;
    this.#options.clock.after(afterMs, () => {
      if (!this.isGone && this.#link === link) this.connect(to);
    });
  }

  /** Ends a move in favour of the new connection. */
  #endMove(): void {
    const old = this.#old;
    this.#old = undefined;
    this.subscription.endMove();
    old?.socket.end();
  }

  #subscribe(link: Link): void {
    const { density, arrived: since, rewind, channel } = this.subscription;
    link.subscribeId = this.#nextId;
    if (since === undefined && rewind !== undefined) this.#rewindsAt = this.#options.clock.wall();
    this.#send(link, {
      op: 'subscribe',
      channel,
      ...(density === undefined ? {} : { density }),
      ...(since === undefined ? (rewind === undefined ? {} : { rewind }) : { since }),
    });
  }

  #tellAll(body: object): void {
    for (const link of [this.#link, this.#old]) if (link !== undefined) this.#send(link, body);
  }

  #send(link: Link, body: object): void {
    const { clock, random } = this.#options;
    const text = JSON.stringify({ id: this.#nextId++, ...body });
    clock.after(1 + random.below(10), () => {
      if (!link.isOver) link.server.send(text);
    });
  }

  #receive(link: Link, data: unknown): void {
    const message = readMessage(data);
    if (message.type === 'batch') {
      this.arrived += message.publications.length;
      if ((message.publications[0]?.acceptedAt ?? Infinity) < this.#rewindsAt) this.counts.rewound++;
      this.#rewindsAt = 0;
      this.counts.cutDown += cutDownOf(message, this.subscription.arrived);
    }
    if (this.isGone || (link !== this.#link && link !== this.#old)) return;
    if (message.type === 'reply') {
      if (message.id !== link.subscribeId) return;
      if ('error' in message) throw new Error(message.error.message);
      const { result } = message;
      if (!isSubscribeResult(result)) throw new Error('not the result of a subscribe');
      if (result.recovered === true) this.counts.resumesRecovered++;
      if (result.recovered === false) this.counts.resumesRefused++;
      this.subscription.joined(connectionOf(link), result);
    } else if (message.type === 'batch' || message.type === 'epoch' || message.type === 'gap') {
      this.subscription.received(connectionOf(link), message);
    } else {
      throw new Error(`unexpected ${message.type}`);
    }
    if (this.#old !== undefined && this.subscription.moved) this.#endMove();
  }
}

/** A subscription knows a connection only by its identity. */
function connectionOf(source: Link | PullReader): Connection {
  return source as unknown as Connection;
}

/** How many sums of a batch reach below a position, and are told in part. */
function cutDownOf({ epoch, after, publications }: ReceivedBatch, position: Position | undefined): number {
  if (position === undefined || position.epoch !== epoch || position.offset <= after) return 0;
  return publications.filter(
    ({ offset, count, parts }) => offset > position.offset && parts !== undefined && countAfter(offset, parts, position.offset) !== count,
  ).length;
}
