import type { Duplex } from 'node:stream';
import { closeBecause, closeCodes, type CloseCode } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import type { Encoding, Message } from '../encoding/encoding.ts';
import { textFrame } from '../encoding/frame.ts';
import type { Delivery } from '../rooms/delivery.ts';
import type { Member, Subscriber } from '../rooms/members.ts';
import { SendQueue, type Waiting, type WaitingBatch } from './send-queue.ts';

/** The way to a client's WebSocket. Frames go straight to the socket; closing goes through the WebSocket. */
export interface Wire {
  /** Takes encoded frames; `false` when the socket holds enough and will emit `drain`. */
  readonly socket: Duplex;
  close(code: CloseCode): void;
  /** Ends the connection without a closing handshake. */
  terminate(): void;
}

/** The addresses of gateways to which a client can be sent. */
export interface Reach {
  /** Addresses of pods and nodes that it can reach: none, those of this machine, or all. */
  readonly direct: 'none' | 'loopback' | 'all';
  /** Whether its way is encrypted: it goes to no URL that is not. */
  readonly isEncrypted: boolean;
}

/** The reach of a client of whose way nothing is known: URLs by names alone. */
const unknownReach: Reach = { direct: 'none', isEncrypted: false };

const tooManyReplies = closeBecause(
  closeCodes.slow,
  `too slow: more than ${limits.controlQueueBytesMax} bytes of replies and notices wait for this connection`,
);

/**
 * What one event stream adds to the bytes that it shares with others. A WebSocket has nothing of its own in its frames.
 */
export interface OwnLines {
  /** The encoding of a subscription's batches. */
  encodingOf(channel: string): Encoding;
  /**
   * The line before the bytes that bring a channel to a place; `undefined`: they need none. Call it when the bytes are
   * written: lines tell all places of the stream.
   */
  before(channel: string, epoch: string, upto: number): Buffer | undefined;
  /** The bytes of a message, with the lines that belong to it. Call it when they are written. */
  message(message: Message): Buffer | undefined;
}

function tooManyPublications(bytesMax: number): CloseCode {
  return closeBecause(closeCodes.slow, `too slow: the channel's policy lets ${bytesMax} bytes wait for one connection`);
}

/** A frame that a member may still wait for: one frame of one delivery. */
interface QueuedBatch extends WaitingBatch<Member> {
  readonly delivery: Delivery<Member>;
}

/**
 * One client's connection. Bytes go to the socket as long as it takes them. After that they wait in a bounded queue
 * until it drains. Each frame is handed to the socket, dropped and accounted for, or waiting.
 */
export class Connection implements Subscriber {
  readonly id: number;
  readonly encoding: Encoding;
  readonly #wire: Wire;
  readonly #onClose: (code: CloseCode) => void;
  readonly #socket: Duplex;
  readonly #queues: Set<{ readonly bytes: number }> | undefined;
  readonly #own: OwnLines | undefined;
  #queue: SendQueue<Member, QueuedBatch> | undefined;
  #isClosed = false;
  /** Whether the queue is at its bound: batches are being dropped. */
  isFull = false;
  /** The client's identity; set by a token or by a backend. */
  uid: string | undefined;
  /** The end of the identity, in milliseconds of the gateway's clock; `undefined` = not before the connection's end. */
  identityEndsAt: number | undefined;
  context: Record<string, unknown> | undefined;
  readonly members: Member[] = [];
  lastSeenAt: number;
  /** The base of the back-off that the client was told last, in milliseconds. */
  toldBaseMs = 0;
  /**
   * Time from which the connection is due to move because of its age, in whole seconds of the gateway's clock;
   * `undefined` = never, or it was told.
   */
  agedAt: number | undefined;
  /** The addresses to which a drain can send the client. */
  reach: Reach = unknownReach;

  constructor(options: {
    readonly id: number;
    readonly encoding: Encoding;
    readonly wire: Wire;
    readonly now: number;
    readonly onClose: (code: CloseCode) => void;
    /** Holds the queues of all connections whose socket takes no more at the moment. Absent: nobody measures them. */
    readonly queues?: Set<{ readonly bytes: number }>;
    /** Of an event stream. */
    readonly own?: OwnLines | undefined;
  }) {
    this.id = options.id;
    this.encoding = options.encoding;
    this.#wire = options.wire;
    this.#onClose = options.onClose;
    this.#socket = options.wire.socket;
    this.#queues = options.queues;
    this.#own = options.own;
    this.lastSeenAt = options.now;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes that wait for the client, in the queue and in the socket. */
  get waitingBytes(): number {
    return (this.#queue?.bytes ?? 0) + this.#socket.writableLength;
  }

  /** Address of the socket's other end: the client, or a proxy in front of the gateway. */
  get peerAddress(): string | undefined {
    return (this.#socket as Duplex & { readonly remoteAddress?: string }).remoteAddress;
  }

  /** Bytes that the kernel has taken for the client since the beginning. */
  get takenBytes(): number {
    const { bytesWritten = 0 } = this.#socket as Duplex & { readonly bytesWritten?: number };
    return bytesWritten - this.#socket.writableLength;
  }

  /** The encoding of a subscription's batches. */
  encodingOf(channel: string): Encoding {
    return this.#own === undefined ? this.encoding : this.#own.encodingOf(channel);
  }

  memberOf(channel: string): Member | undefined {
    return this.members.find(({ room }) => room.channel === channel);
  }

  /**
   * Sends a reply or notice. Too many unread ones end the connection.
   * @param message what the bytes say, where lines of the stream's own belong to it
   */
  sendControl(bytes: Buffer, message?: Message): void {
    if (this.#isClosed) return;
    if (this.#queue === undefined) {
      this.#write(this.#own === undefined || message === undefined ? bytes : (this.#own.message(message) ?? bytes));
      return;
    }
    this.#queue.offerControl(bytes, message);
    if (this.#queue.controlBytes > limits.controlQueueBytesMax) this.close(tooManyReplies);
  }

  /** @param text one text frame's payload */
  sendText(text: string): void {
    this.sendControl(textFrame(text));
  }

  /** Sends a message that is no publication, if the encoding has a form for it. */
  tell(message: Message): void {
    const bytes = this.encoding.message(message);
    if (bytes !== undefined) this.sendControl(bytes, this.#own === undefined ? undefined : message);
  }

  /**
   * Sends one frame of a fan-out to one member. The fast path is one write of shared bytes. `true` = handed to the
   * socket, and not yet accounted for.
   */
  sendBatch(delivery: Delivery<Member>, member: Member): boolean {
    if (this.#queue === undefined) {
      if (this.#own === undefined) this.#write(delivery.frame);
      else if (!this.#takeOwn(this.#own.before(member.room.channel, delivery.epoch, delivery.upto), delivery.frame)) this.#block();
      return true;
    }
    this.#enqueue(this.#queue, delivery, member);
    return false;
  }

  /** Drops the waiting batches of a member that left. */
  forget(member: Member): void {
    for (const { delivery } of this.#queue?.removeOwner(member) ?? []) delivery.dropped('disconnected', 1);
  }

  close(code: CloseCode): void {
    if (this.#isClosed) return;
    this.#end();
    this.#onClose(code);
    this.#wire.close(code);
  }

  terminate(): void {
    this.#end();
    this.#wire.terminate();
  }

  /** The socket is gone; nothing can be sent any more. */
  ended(): void {
    this.#end();
  }

  #end(): void {
    this.#isClosed = true;
    if (this.#queue === undefined) return;
    this.#queues?.delete(this.#queue);
    for (const waiting of this.#queue.takeAll()) {
      if (waiting.kind === 'batch') waiting.delivery.dropped('disconnected', 1);
    }
  }

  #enqueue(queue: SendQueue<Member, QueuedBatch>, delivery: Delivery<Member>, member: Member): void {
    if (this.#isClosed) {
      delivery.dropped('disconnected', 1);
      return;
    }
    const batch: QueuedBatch = {
      kind: 'batch',
      frame: delivery.frame,
      owner: member,
      epoch: delivery.epoch,
      after: delivery.after,
      upto: delivery.upto,
      delivery,
    };
    const result = queue.offer(batch, member.room.policy.slowConsumer, this.#socket.writableLength);
    for (const dropped of result.dropped) dropped.delivery.dropped('slow', 1);
    if (result.dropped.length > 0) this.#setFull(true);
    if (result.kind === 'disconnect') this.close(tooManyPublications(member.room.policy.slowConsumer.queueBytesMax));
  }

  /**
   * Gives bytes to the socket; `false` when the socket now holds some back. A frame above the socket's mark that the
   * kernel took whole holds back nothing.
   */
  #take(bytes: Buffer): boolean {
    return this.#socket.write(bytes) || this.#socket.writableLength === 0;
  }

  #write(bytes: Buffer): void {
    if (!this.#take(bytes)) this.#block();
  }

  /** Gives shared bytes to the socket, behind a line of the stream's own, in one write. */
  #takeOwn(line: Buffer | undefined, bytes: Buffer): boolean {
    if (line === undefined) return this.#take(bytes);
    const socket = this.#socket;
    socket.cork();
    socket.write(line);
    socket.write(bytes);
    socket.uncork();
    return !socket.writableNeedDrain || socket.writableLength === 0;
  }

  #block(): void {
    this.#queue ??= new SendQueue();
    this.#queues?.add(this.#queue);
    this.#socket.once('drain', () => this.#drain());
  }

  #drain(): void {
    const queue = this.#queue;
    if (queue === undefined || this.#isClosed) return;
    const waiting = queue.takeAll();
    for (const [index, one] of waiting.entries()) {
      const hasRoom = this.#takeWaiting(one);
      if (one.kind === 'batch') one.delivery.handed(1);
      if (!hasRoom) {
        queue.putBack(waiting.slice(index + 1));
        this.#socket.once('drain', () => this.#drain());
        return;
      }
    }
    this.#queue = undefined;
    this.#queues?.delete(queue);
    this.#setFull(false);
  }

  #takeWaiting(one: Waiting<Member, QueuedBatch>): boolean {
    const own = this.#own;
    if (own === undefined || (one.kind === 'control' && one.message === undefined)) {
      const bytes = one.kind === 'gap' ? this.#gapFrame(one) : one.frame;
      return bytes === undefined || this.#take(bytes);
    }
    if (one.kind === 'control') return this.#take((one.message && own.message(one.message)) ?? one.frame);
    const bytes = one.kind === 'gap' ? this.#gapFrame(one) : one.frame;
    return bytes === undefined || this.#takeOwn(own.before(one.owner.room.channel, one.epoch, one.upto), bytes);
  }

  #gapFrame(gap: { readonly owner: Member; readonly epoch: string; readonly after: number; readonly upto: number }): Buffer | undefined {
    const { epoch, after, upto, owner } = gap;
    return owner.memberClass.encoding.message({ type: 'gap', channel: owner.room.channel, epoch, after, upto, reason: 'slow' });
  }

  #setFull(isFull: boolean): void {
    if (this.isFull === isFull) return;
    this.isFull = isFull;
    for (const { room } of this.members) room.fullMembers += isFull ? 1 : -1;
  }
}
