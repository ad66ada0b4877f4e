import { v1Encoding } from '../../gateway/encoding/encodings.ts';
import { expect } from 'vitest';
import { Cursor, type Told } from '../../client/cursor.ts';
import { ChannelMove } from '../../client/move.ts';
import { publicationsAfter } from '../../client/sums.ts';
import { readMessage, type ReceivedBatch } from '../../client/wire.ts';
import type { Position } from '../../core/publication.ts';
import { readFrames } from '../support/frames.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { SimulatedSocket, type SimulatedGateway } from './gateway.ts';
import type { SimulatedLog } from './log.ts';
import { Application } from './application.ts';
import type { Random } from './random.ts';

interface Link {
  readonly gateway: SimulatedGateway;
  readonly socket: SimulatedSocket;
  readonly server: ReturnType<SimulatedGateway['accept']>;
  isOver: boolean;
  subscribeId: number | undefined;
}

/**
 * A barrage.v1 client: the SDK's own rules (`Cursor`, `ChannelMove`, `readMessage`) on simulated sockets. Checks
 * everything it is told against the log.
 */
export class Viewer {
  readonly #clock: FakeClock;
  readonly #random: Random;
  readonly #log: SimulatedLog;
  readonly cursor = new Cursor<ReceivedBatch>();
  readonly gaps: { readonly from: Position | undefined; readonly to: Position }[] = [];
  delivered = 0;
  leftOut = 0;
  overlaps = 0;
  /** Sums of which a part was known already. */
  cutDown = 0;
  /** Spans of batches whose sums add up to something else than what was published in them. */
  readonly wrongSums: { readonly after: number; readonly upto: number; readonly published: number; readonly told: number }[] = [];
  joinedAt: Position | undefined;
  /** Publications in the frames that arrived, whether new or not. */
  arrived = 0;
  #told: Position | undefined;
  #link: Link | undefined;
  #old: Link | undefined;
  #move: ChannelMove<ReceivedBatch> | undefined;
  #nextId = 1;
  isGone = false;
  readonly application: Application | undefined;

  /** With an `application` behind it, which holds back what the viewer is told. */
  constructor(clock: FakeClock, random: Random, log: SimulatedLog, application?: Application) {
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    this.application = application;
  }

  get gateway(): SimulatedGateway | undefined {
    return this.#link?.gateway;
  }

  connect(gateway: SimulatedGateway, density: number | undefined): void {
    this.#link = this.#dial(gateway);
    this.#subscribe(this.#link, density);
  }

  stall(isStalled: boolean): void {
    this.#link?.socket.stall(isStalled);
    this.#old?.socket.stall(isStalled);
  }

  changeDensity(density: number | undefined): void {
    if (this.#link !== undefined && !this.#link.isOver)
      this.#send(this.#link, { op: 'density', channel: this.#log.channel, ...(density === undefined ? {} : { density }) });
  }

  /** The connection breaks; the client comes back somewhere after a while. */
  breakLink(gateways: readonly SimulatedGateway[]): void {
    if (this.#move !== undefined || this.#link === undefined) return;
    const link = this.#link;
    link.socket.end();
    this.#clock.after(5 + this.#random.below(200), () => {
      if (!this.isGone && this.#link === link) this.connect(this.#random.pick(gateways), undefined);
    });
  }

  move(to: SimulatedGateway): void {
    if (this.#move !== undefined || this.#link === undefined || this.#link.isOver || this.cursor.position === undefined) return;
    const old = this.#link;
    const move = new ChannelMove(this.cursor);
    this.#move = move;
    this.#old = old;
    this.#link = this.#dial(to);
    this.#subscribe(this.#link, undefined);
    this.#clock.after(5_000, () => {
      if (this.#move === move) this.#tell(move.giveUp());
      this.#leaveOld();
    });
  }

  leave(): void {
    this.isGone = true;
    this.application?.close();
    this.#link?.socket.end();
    this.#old?.socket.end();
  }

  #dial(gateway: SimulatedGateway): Link {
    const socket: SimulatedSocket = new SimulatedSocket({
      clock: this.#clock,
      random: this.#random,
      onFrames: (bytes) => {
        for (const { opcode, payload } of readFrames(bytes))
          this.#receive(link, opcode === 1 ? payload.toString() : new Uint8Array(payload).buffer);
      },
      onEnd: () => this.#ended(link),
    });
    this.application?.greeted();
    const link: Link = { gateway, socket, server: gateway.accept(v1Encoding, socket), isOver: false, subscribeId: undefined };
    return link;
  }

  #ended(link: Link): void {
    link.isOver = true;
    link.server.drop();
    if (link === this.#old) {
      this.#old = undefined;
      const move = this.#move;
      if (move !== undefined) this.#tell(move.giveUp());
      this.#leaveOld();
      return;
    }
    if (link !== this.#link || this.isGone) return;
    // The gateway ended it (too slow): come back.
    this.#move = undefined;
    this.#old?.socket.end();
    const { gateway } = link;
    this.#clock.after(20 + this.#random.below(50), () => {
      if (!this.isGone && this.#link === link) this.connect(gateway, undefined);
    });
  }

  #subscribe(link: Link, density: number | undefined): void {
    const since = this.cursor.position;
    link.subscribeId = this.#nextId;
    this.#send(link, {
      op: 'subscribe',
      channel: this.#log.channel,
      ...(density === undefined ? {} : { density }),
      ...(since === undefined ? {} : { since }),
    });
  }

  #send(link: Link, body: object): void {
    const text = JSON.stringify({ id: this.#nextId++, ...body });
    this.#clock.after(1 + this.#random.below(10), () => {
      if (!link.isOver) link.server.send(text);
    });
  }

  #receive(link: Link, data: unknown): void {
    const message = readMessage(data);
    if (message.type === 'batch') this.arrived += message.publications.length;
    if (this.isGone || (link !== this.#link && link !== this.#old)) return;
    if (message.type === 'reply') {
      if (message.id !== link.subscribeId) return;
      if ('error' in message) throw new Error(message.error.message);
      const { epoch, offset, recovered } = message.result as { epoch: string; offset: number; recovered?: boolean };
      const position = { epoch, offset };
      this.joinedAt ??= position;
      this.#told ??= position;
      const told =
        this.#move === undefined ? this.cursor.subscribed(position, recovered ?? false) : this.#move.targetAt(position, recovered ?? false);
      this.#tell(told);
      // What was recovered goes on in the gateway's epoch.
      if (recovered === true && told.length === 0 && this.#told !== undefined) this.#told = this.cursor.position;
    } else if (message.type === 'batch') {
      if (this.#move === undefined) this.#tell(this.cursor.batch(message));
      else
        this.#tell(
          link === this.#old
            ? this.#move.fromOld({ kind: 'batch', batch: message })
            : this.#move.fromNew({ kind: 'batch', batch: message }),
        );
    } else if (message.type === 'epoch') {
      if (this.#move === undefined) this.cursor.continued(message.epoch, message.before);
      else
        this.#tell(
          link === this.#old
            ? this.#move.fromOld({ kind: 'epoch', notice: message })
            : this.#move.fromNew({ kind: 'epoch', notice: message }),
        );
    } else if (message.type === 'gap') {
      if (this.#move === undefined) this.#tell(this.cursor.gap(message));
      else
        this.#tell(
          link === this.#old ? this.#move.fromOld({ kind: 'gap', notice: message }) : this.#move.fromNew({ kind: 'gap', notice: message }),
        );
    } else {
      throw new Error(`unexpected ${message.type}`);
    }
    if (this.#move?.done === true) this.#leaveOld();
  }

  #leaveOld(): void {
    if (this.#move?.done !== true) return;
    this.#move = undefined;
    const old = this.#old;
    this.#old = undefined;
    old?.socket.end();
  }

  /** What the application is told must join on without a hole, once, in order, and be what was published. */
  #tell(told: readonly Told<ReceivedBatch>[]): void {
    if (this.isGone) return;
    for (const event of told) {
      if (event.kind === 'gap') {
        this.#follow(event.from?.epoch);
        expect(event.from).toEqual(this.#told);
        this.gaps.push(event);
        this.#told = event.to;
        this.application?.take([event]);
        continue;
      }
      const { batch, deliverAfter } = event;
      this.#follow(batch.epoch);
      // A position from before the first publication has only the beginning of its epoch's name.
      expect(batch.epoch.startsWith(this.#told?.epoch ?? '?')).toBe(true);
      expect(deliverAfter).toBe(this.#told?.offset);
      if (deliverAfter !== batch.after) this.overlaps++;
      this.leftOut += batch.upto - deliverAfter;
      let last = deliverAfter;
      let summed = 0;
      const publications = publicationsAfter(batch.publications, deliverAfter);
      this.application?.take([{ kind: 'batch', batch: { epoch: batch.epoch, after: deliverAfter, upto: batch.upto, publications } }]);
      for (const publication of publications) {
        const { offset, acceptedAt } = publication;
        // Millions of these: `expect` is asked only where it has something to say.
        if (offset <= last || offset > batch.upto) expect.fail(`offset ${offset} after ${last} in a batch up to ${batch.upto}`);
        last = offset;
        summed += publication.count ?? 0;
        const truth = this.#log.publications.get(`${batch.epoch}:${offset}`);
        const text = Buffer.from(publication.data).toString();
        if (text !== truth?.payload.toString() || acceptedAt !== truth.acceptedAt) {
          expect({ text, acceptedAt }).toEqual({ text: truth?.payload.toString(), acceptedAt: truth?.acceptedAt });
        }
        this.delivered++;
        this.leftOut--;
      }
      if (deliverAfter > batch.after) this.cutDown += cutDownOf(batch, deliverAfter);
      this.#checkSums(batch, deliverAfter, summed);
      this.#told = { epoch: batch.epoch, offset: batch.upto };
    }
  }

  /** Takes the position into another epoch, if it means the same publication there. */
  #follow(epoch: string | undefined): void {
    const told = this.#told;
    if (told === undefined || epoch === undefined || epoch.startsWith(told.epoch)) return;
    if (this.#log.isSame(told, epoch)) this.#told = { epoch, offset: told.offset };
  }

  /** Of each span what is added up must be what was published, or less where sums were left out on purpose. */
  #checkSums({ epoch, upto }: ReceivedBatch, after: number, told: number): void {
    let published = 0;
    for (let offset = after + 1; offset <= upto; offset++) {
      const conflation = this.#log.publications.get(`${epoch}:${offset}`)?.conflation;
      if (conflation?.mode === 'Sum') published += conflation.count;
    }
    expect(told).toBeLessThanOrEqual(published);
    if (told < published) this.wrongSums.push({ after, upto, published, told });
  }
}

/** How many sums of a batch reach below `after`, and are told in part. */
function cutDownOf({ publications }: ReceivedBatch, after: number): number {
  const whole = new Map(publications.map(({ offset, count }) => [offset, count]));
  return publicationsAfter(publications, after).filter(({ offset, count }) => count !== whole.get(offset)).length;
}
