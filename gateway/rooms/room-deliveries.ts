import type { PolicyAccount } from '../accounts/policy-accounts.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import { Tally } from '../accounts/tally.ts';
import type { ClassCut, Cut } from '../merging/cut.ts';
import { account, sentOf } from './cut-accounts.ts';
import { Delivery } from './delivery.ts';
import type { FannedOut, FanOut } from './fan-out.ts';
import type { Member, MemberList } from './members.ts';

/** A frame without publications of a cut, for some members of a room. */
export interface Notice {
  /** `undefined`: their encoding has no form for it. */
  readonly bytes: Buffer | undefined;
  readonly members: readonly Member[];
  /** Number of protocol frames in `bytes`; default 1. */
  readonly frames?: number;
}

/** Makes the deliveries of one room, on the accounts of the room, of the process, and of the policy in force. */
export class RoomDeliveries {
  readonly tally = new Tally();
  readonly #room: FannedOut;
  readonly #fanOut: FanOut;
  readonly #metrics: GatewayMetrics;
  #account: PolicyAccount;
  #tallies: readonly Tally[];

  /** @param pattern the policy in force */
  constructor(options: { readonly room: FannedOut; readonly fanOut: FanOut; readonly metrics: GatewayMetrics; readonly pattern: string }) {
    this.#room = options.room;
    this.#fanOut = options.fanOut;
    this.#metrics = options.metrics;
    this.#account = options.metrics.policies.of(options.pattern);
    this.#tallies = [this.tally, options.metrics.tally, this.#account.tally];
  }

  /** Another policy is in force. What is under way stays on the account with which it was cut. */
  setPolicy(pattern: string): void {
    this.#account = this.#metrics.policies.of(pattern);
    this.#tallies = [this.tally, this.#metrics.tally, this.#account.tally];
  }

  /** Accounts for what a cut offers to the members of a class. */
  offer(cut: Cut, { dropped }: ClassCut, members: number): void {
    account(this.#tallies, { cut, dropped, members });
  }

  /** The part of a cut for one class. */
  ofCut(options: { readonly cut: Cut; readonly classCut: ClassCut; readonly frame: Buffer; readonly list: MemberList }): Delivery<Member> {
    const { cut, classCut, frame, list } = options;
    const { dropped, items, memberClass, after, upto } = classCut;
    return new Delivery({
      span: { epoch: cut.epoch, after, upto },
      frame,
      frames: memberClass.encoding.framesOf(items.length),
      publications: dropped === undefined ? cut.offered : sentOf(cut, dropped),
      members: list.lend(),
      tallies: this.#tallies,
      meter: this.#account,
    });
  }

  /**
   * Sends frames that no cut accounts for, in their turn: after this room's flushes under way. `onDone`: all members
   * were served, queued or passed over.
   */
  notify(
    span: { readonly epoch: string; readonly after: number; readonly upto: number },
    notices: readonly Notice[],
    onDone = (): void => {},
  ): void {
    const meter = this.#account;
    const deliveries = notices.flatMap(({ bytes, members, frames = 1 }) =>
      bytes === undefined ? [] : [new Delivery({ span, frame: bytes, frames, publications: [], members, tallies: [], meter })],
    );
    this.#fanOut.add({ room: this.#room, deliveries, onDone });
  }
}
