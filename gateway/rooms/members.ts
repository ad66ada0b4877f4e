import type { MemberClass } from '../merging/merger.ts';
import type { Connection } from '../connections/connection.ts';
import type { HostedRoom } from './room.ts';

/** A connection in a room. It ends by leaving or by the connection's end, and is never used again. */
export interface Member {
  readonly connection: Connection;
  readonly room: HostedRoom;
  memberClass: MemberClass;
  /** Publications a second that it asked for; `undefined` = all that the policy gives. */
  density: number | undefined;
  /** `false` from the moment it left: whatever is still on its way to it is not sent. */
  active: boolean;
  /** Its place in its list, kept by `MemberList`. */
  index: number;
}

/**
 * The members of one class of a room. A fan-out borrows the list as it is at the cut; while it is lent, joining and leaving
 * work on a copy, so that a fan-out over several slices goes exactly to those who were members at the cut.
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
