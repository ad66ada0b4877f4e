import type { GapReason } from '../../client/cursor.ts';
import { Listeners } from '../../client/listeners.ts';
import type { SubscriptionEvents } from '../../client/subscription-api.ts';
import { readMessage, type ReceivedBatch } from '../../client/wire.ts';
import type { Position, Publication } from '../../core/publication.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { SimulatedSocket, type SimulatedGateway } from './gateway.ts';
import { Ledger } from './ledger.ts';
import type { SimulatedLog } from './log.ts';
import type { Random } from './random.ts';

export interface PageOptions {
  readonly clock: FakeClock;
  readonly random: Random;
  readonly log: SimulatedLog;
  /** Other channels of its query, in which nothing happens. */
  readonly others: readonly string[];
  readonly density: number | undefined;
  readonly rewind: number | undefined;
  readonly mayLeaveOut: (publication: Publication) => boolean;
}

interface Stream {
  readonly gateway: SimulatedGateway;
  readonly socket: SimulatedSocket;
  readonly drop: () => void;
  text: string;
  comesBack: { readonly afterMs: number; readonly to: SimulatedGateway };
}

/**
 * A page with an `EventSource` and nothing else: it compares no offsets, and comes back with the id of the last event.
 * So what it is given joins on by itself.
 */
export class Page {
  readonly #options: PageOptions;
  readonly ledger: Ledger;
  readonly #listeners = new Listeners<SubscriptionEvents>(['state', 'batch', 'gap', 'recall', 'snapshot', 'early']);
  readonly counts = { streamResumes: 0, streamGaps: 0 };
  #stream: Stream | undefined;
  #lastEventId = '';
  #begin: Position | undefined;
  isGone = false;

  constructor(options: PageOptions) {
    this.#options = options;
    const { log, clock, mayLeaveOut } = options;
    this.ledger = new Ledger({ log, clock, mayLeaveOut, delayMs: () => 0, readsAtOnce: () => false });
    this.ledger.listen(this, false);
  }

  on<Name extends keyof SubscriptionEvents>(name: Name, listener: (value: SubscriptionEvents[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /** Where it began. */
  get arrived(): Position | undefined {
    return this.#begin;
  }

  connect(gateway: SimulatedGateway): void {
    const { clock, random, log, others, density, rewind } = this.#options;
    const socket: SimulatedSocket = new SimulatedSocket({
      clock,
      random,
      onFrames: (bytes) => this.#read(stream, bytes.toString()),
      onEnd: () => this.#ended(stream),
    });
    const query = { channels: [log.channel, ...others], density, rewind, lastEventId: this.#lastEventId, sdk: undefined };
    const stream: Stream = {
      gateway,
      socket,
      drop: gateway.stream(query, socket),
      text: '',
      comesBack: { afterMs: 20 + random.below(50), to: gateway },
    };
    this.#stream = stream;
  }

  stall(isStalled: boolean): void {
    this.#stream?.socket.stall(isStalled);
  }

  /** The connection breaks; the browser comes back somewhere after a while. */
  breakStream(gateways: readonly SimulatedGateway[], afterMs: number): void {
    if (this.#stream === undefined) return;
    this.#stream.comesBack = { afterMs, to: this.#options.random.pick(gateways) };
    this.#stream.socket.end();
  }

  leave(): void {
    this.isGone = true;
    this.#stream?.socket.end();
  }

  #ended(stream: Stream): void {
    stream.drop();
    if (this.isGone || stream !== this.#stream) return;
    this.#stream = undefined;
    const { afterMs, to } = stream.comesBack;
    this.#options.clock.after(afterMs, () => {
      if (!this.isGone) this.connect(to);
    });
  }

  /** What is left of an event when the stream ends never happens. */
  #read(stream: Stream, text: string): void {
    if (this.isGone || stream !== this.#stream) return;
    const events = (stream.text + text).split('\n\n');
    stream.text = events.pop() ?? '';
    for (const event of events) {
      for (const line of event.split('\n')) if (line.startsWith('id: ')) this.#lastEventId = line.slice(4);
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (data !== undefined) this.#take(data.slice(6));
    }
  }

  #take(data: string): void {
    const message = readMessage(data);
    if (!('channel' in message) || message.channel !== this.#options.log.channel) return;
    const { channel } = message;
    if (message.type === 'batch') this.#batch(message);
    else if (message.type === 'gap')
      this.#gap({ epoch: message.epoch, offset: message.upto }, message.reason === 'slow' ? 'slow' : 'missed', channel);
    else if (message.type === 'subscribed') {
      const { epoch, offset, recovered } = message;
      if (recovered === undefined) {
        this.#begin = { epoch, offset };
        this.#listeners.emit('state', 'subscribed');
      } else if (recovered) this.counts.streamResumes++;
      else {
        this.counts.streamGaps++;
        this.#gap({ epoch, offset }, 'reconnect', channel);
      }
    } else if (message.type !== 'epoch') throw new Error(`unexpected ${message.type}`);
  }

  #gap(to: Position, reason: GapReason, channel: string): void {
    this.#listeners.emit('gap', { channel, from: this.ledger.told, to, reason });
  }

  #batch({ channel, epoch, after, upto, publications, tombstones = [] }: ReceivedBatch): void {
    for (const { offset, offsets = [], upto: all } of tombstones)
      this.#listeners.emit('recall', all === undefined ? { channel, epoch, offset, offsets } : { channel, epoch, offset, upto: all });
    const told = this.ledger.told;
    const isKnown = told !== undefined && (epoch.startsWith(told.epoch) || this.#options.log.isSame(told, epoch));
    // A batch that begins later, or in another order, says that something is missing before it.
    if (!isKnown || after > told.offset) this.#gap({ epoch, offset: after }, isKnown ? 'missed' : 'epoch', channel);
    // A span may also tell those who came later what all of its class were not given. Then nothing in it is old.
    const start =
      isKnown && [...publications, ...tombstones].every(({ offset }) => offset > told.offset) ? Math.max(after, told.offset) : after;
    if (upto <= start) return;
    const leftOut = upto - start - publications.length - tombstones.length;
    this.#listeners.emit('batch', { channel, epoch, after: start, upto, leftOut, publications });
  }
}
