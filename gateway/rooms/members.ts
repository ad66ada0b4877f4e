import type { CloseCode } from '../../core/close-codes.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { Encoding, MemberClass, Message } from '../encoding/encoding.ts';
import type { Delivery } from './delivery.ts';

/** All that a room knows of a connection. */
export interface Subscriber {
  readonly encoding: Encoding;
  readonly isClosed: boolean;
  /** Whether its queue is at its bound. */
  readonly isFull: boolean;
  /** Whose it is; `undefined` = nobody is known. */
  readonly uid: string | undefined;
  /** Its subscriptions; rooms add and remove their own. */
  readonly members: Member[];
  memberOf(channel: string): Member | undefined;
  /** One frame of a fan-out. `true` = handed to the socket, and not yet accounted for. */
  sendBatch(delivery: Delivery<Member>, member: Member): boolean;
  /** A notice, where its encoding has a word for it. */
  tell(message: Message): void;
  /** Drops what waits for a member that left. */
  forget(member: Member): void;
  close(code: CloseCode): void;
}

/** All that a connection knows of a room. */
export interface MemberRoom {
  readonly channel: string;
  readonly policy: ChannelPolicy;
  /** Members whose queue is at its bound; kept by their connections. */
  fullMembers: number;
}

/** A connection in a room. It ends by leaving or by the connection's end, and is never used again. */
export interface Member {
  readonly connection: Subscriber;
  readonly room: MemberRoom;
  memberClass: MemberClass;
  /** Publications a second that it asked for; `undefined` = all that the policy gives. */
  asked: number | undefined;
  /** `false` from the moment it left: whatever is still on its way to it is not sent. */
  active: boolean;
  /** Its place in its list, kept by `MemberList`. */
  index: number;
}

/**
 * The members of one class of a room. A fan-out borrows the list as it is at the cut; while it is lent, joining and
 * leaving work on a copy, so that a fan-out over several slices goes exactly to those who were members at the cut.
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
