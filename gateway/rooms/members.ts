import type { CloseCode } from '../../core/close-codes.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { Encoding, MemberClass, Message } from '../encoding/encoding.ts';
import type { Delivery } from './delivery.ts';

/** A room's view of a connection. */
export interface Subscriber {
  readonly id: number;
  readonly encoding: Encoding;
  readonly isClosed: boolean;
  /** Whether its queue is at its bound. */
  readonly isFull: boolean;
  /** User of the connection; `undefined` = none is known. */
  readonly uid: string | undefined;
  /** Subscriptions of the connection; rooms add and remove their own. */
  readonly members: Member[];
  /** The encoding of a subscription's batches. */
  encodingOf(channel: string): Encoding;
  memberOf(channel: string): Member | undefined;
  /** Sends one frame of a fan-out. `true` = handed to the socket, and not yet accounted for. */
  sendBatch(delivery: Delivery<Member>, member: Member): boolean;
  /** Sends a notice, if the connection's encoding has a form for it. */
  tell(message: Message): void;
  /** Drops the queued frames of a member that left. */
  forget(member: Member): void;
  close(code: CloseCode): void;
}

/** A connection's view of a room. */
export interface MemberRoom {
  readonly channel: string;
  readonly policy: ChannelPolicy;
  /** Members whose queue is at its bound; kept by their connections. */
  fullMembers: number;
}

/** A connection in a room. It ends when the connection leaves or ends, and is never used again. */
export interface Member {
  readonly connection: Subscriber;
  readonly room: MemberRoom;
  memberClass: MemberClass;
  /** Publications a second that the client asked for; `undefined` = all that the policy allows. */
  asked: number | undefined;
  /** `false` once it has left: frames on their way to it are not sent. */
  active: boolean;
  /** Place in its `MemberList`, which keeps this number. */
  index: number;
}

/**
 * The members of one class of a room. A fan-out borrows the list at the cut. While it is borrowed, joining and leaving
 * work on a copy. So a fan-out over several slices reaches exactly the members at the cut.
 */
export class MemberList {
  #members: Member[] = [];
  #isLent = false;

  get size(): number {
    return this.#members.length;
  }

  add(member: Member): void {
    this.#own();
    member.index = this.#members.push(member) - 1;
  }

  remove(member: Member): void {
    this.#own();
    const last = this.#members.pop();
    if (last === undefined || last === member) return;
    last.index = member.index;
    this.#members[member.index] = last;
  }

  lend(): readonly Member[] {
    this.#isLent = true;
    return this.#members;
  }

  [Symbol.iterator](): Iterator<Member> {
    return this.#members[Symbol.iterator]();
  }

  #own(): void {
    if (!this.#isLent) return;
    this.#members = this.#members.slice();
    this.#isLent = false;
  }
}
