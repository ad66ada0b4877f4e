import type { ChannelLog, RoomCounts } from '../../core/bus/bus.ts';
import { channelOwner } from '../../core/channel.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import type { Logger } from '../../core/process/logging.ts';
import type { Policies } from '../../core/policy/policy.ts';
import type { Position } from '../../core/publication.ts';
import { encodeMessage } from '../encoding/message.ts';
import { SparseLog } from '../../core/process/sparse-log.ts';
import { mayJoin } from '../identity/channel-access.ts';
import { planCadence, demandOf, type RoomLoad } from '../merging/cadence.ts';
import type { Connection } from '../connections/connection.ts';
import { HostedRoom, type MeasuredLoad, type RoomSurroundings } from './room.ts';
import type { Member } from './members.ts';
import type { MemberClass } from '../merging/merger.ts';

export type JoinResult =
  | { readonly kind: 'joined'; readonly member: Member; readonly position: Position }
  | { readonly kind: 'already'; readonly member: Member }
  | { readonly kind: 'refused'; readonly reason: 'subscriptions' | 'rooms' | 'members' | 'bus' | 'closed' };

/** A room that waits for the bus to acknowledge its subscription; those who come meanwhile wait with it. */
interface OpeningRoom {
  readonly state: 'opening';
  readonly opened: Promise<HostedRoom | undefined>;
}
interface OpenRoom {
  readonly state: 'open';
  readonly room: HostedRoom;
}

const cadenceIntervalMs = 500;
/** Members looked at without giving way to anything else, when a policy's access changes. */
const readmittedAtOnce = 200;
/** Weight of the newest interval in a room's flush cost. */
const costWeight = 0.3;

/** The rooms of one gateway: opened by the first to come, closed when the last has left. */
export class Rooms {
  readonly #log: ChannelLog;
  readonly #surroundings: RoomSurroundings;
  readonly #logger: Logger;
  readonly #unopened: SparseLog;
  readonly #share: number;
  #policies: Policies;
  readonly #rooms = new Map<string, OpeningRoom | OpenRoom>();
  readonly #flushCosts = new Map<HostedRoom, number>();
  #stretched = new Set<HostedRoom>();
  #demand = 0;
  #subscriptions = 0;
  readonly #stopCadence: () => void;

  constructor(options: {
    readonly log: ChannelLog;
    readonly policies: Policies;
    readonly surroundings: RoomSurroundings;
    readonly logger: Logger;
    /** Share of the event loop that fan-out may take, 0 to 1. */
    readonly share: number;
  }) {
    this.#log = options.log;
    this.#policies = options.policies;
    this.#surroundings = options.surroundings;
    this.#logger = options.logger;
    this.#unopened = new SparseLog({
      logger: options.logger,
      message: 'a room could not be opened: the bus did not take the subscription',
      clock: options.surroundings.clock,
    });
    this.#share = options.share;
    this.#stopCadence = options.surroundings.clock.every(cadenceIntervalMs, () => this.#planCadence());
  }

  get size(): number {
    return this.#rooms.size;
  }

  get subscriptions(): number {
    return this.#subscriptions;
  }

  get stretched(): number {
    return this.#stretched.size;
  }

  /** Share of the loop that fan-out would take at the policies' windows. */
  get demand(): number {
    return this.#demand;
  }

  get policies(): Policies {
    return this.#policies;
  }

  /** New policies are in force at once, for open rooms too; nobody is reconnected. Whom a room's new policy does not admit leaves it. */
  setPolicies(policies: Policies): void {
    // Each pool document says them, and few change them.
    if (policies === this.#policies) return;
    this.#policies = policies;
    const changed: HostedRoom[] = [];
    for (const entry of this.#rooms.values()) {
      if (entry.state !== 'open') continue;
      const { room } = entry;
      const before = room.policy.access.subscribe;
      room.setPolicy(policies.of(room.channel));
      if (room.policy.access.subscribe !== before) changed.push(room);
    }
    if (changed.length > 0) this.#readmit(membersOf(changed));
  }

  async join(connection: Connection, channel: string, memberClass: MemberClass): Promise<JoinResult> {
    let entry = this.#rooms.get(channel);
    // An open room is joined without giving way to anything else: reply and first publication can't change places.
    if (entry?.state === 'open') return this.#enter(connection, entry.room, memberClass);
    if (entry === undefined) {
      if (this.#rooms.size >= limits.roomsMax) return { kind: 'refused', reason: 'rooms' };
      entry = { state: 'opening', opened: this.#open(channel) };
      this.#rooms.set(channel, entry);
    }
    const room = await entry.opened;
    if (room === undefined) return { kind: 'refused', reason: 'bus' };
    // Another who waited for it may have found its connection gone, and closed the room as the last one in it.
    if (this.find(channel) !== room) return this.join(connection, channel, memberClass);
    const result = this.#enter(connection, room, memberClass);
    if (room.size === 0) this.#close(room);
    return result;
  }

  /**
   * Who a connection is, from now on. It leaves the channels that belong to whom it was before.
   * @param endsAt until when, by the gateway's monotonic clock
   */
  identify(connection: Connection, uid: string, endsAt?: number): void {
    connection.uid = uid;
    connection.identityEndsAt = endsAt;
    for (const member of connection.members.slice()) {
      const owner = channelOwner(member.room.channel);
      if (owner !== undefined && owner !== uid) this.end(member, 'this client is another user now');
    }
  }

  /** It is nobody, from now on. What it is subscribed to stays. */
  anonymize(connection: Connection): void {
    connection.uid = undefined;
    connection.identityEndsAt = undefined;
  }

  leave(member: Member): void {
    if (!member.active) return;
    const { room } = member;
    room.leave(member);
    this.#subscriptions--;
    if (room.size === 0) this.#close(room);
  }

  /** Ends a subscription without its client having asked for it. The plain protocol has no word for it. */
  end(member: Member, message: string): void {
    if (!member.active) return;
    this.leave(member);
    const { connection, room } = member;
    if (connection.protocol === 'barrage.v1')
      connection.sendControl(encodeMessage({ type: 'unsubscribed', channel: room.channel, message }));
  }

  find(channel: string): HostedRoom | undefined {
    const entry = this.#rooms.get(channel);
    return entry?.state === 'open' ? entry.room : undefined;
  }

  counts(channel: string): RoomCounts {
    const room = this.find(channel);
    return room === undefined ? { ready: 0, full: 0 } : { ready: room.size - room.fullMembers, full: room.fullMembers };
  }

  *allCounts(): Iterable<readonly [channel: string, counts: RoomCounts]> {
    for (const [channel, entry] of this.#rooms) if (entry.state === 'open') yield [channel, this.counts(channel)];
  }

  close(): void {
    this.#stopCadence();
    for (const entry of this.#rooms.values()) if (entry.state === 'open') this.#close(entry.room);
  }

  #enter(connection: Connection, room: HostedRoom, memberClass: MemberClass): JoinResult {
    if (connection.isClosed) return { kind: 'refused', reason: 'closed' };
    const present = connection.memberOf(room.channel);
    if (present !== undefined) return { kind: 'already', member: present };
    if (connection.members.length >= limits.subscriptionsPerConnectionMax) return { kind: 'refused', reason: 'subscriptions' };
    if (room.size >= (room.policy.limits.membersMax ?? Infinity)) return { kind: 'refused', reason: 'members' };
    const member: Member = { connection, room, memberClass, density: undefined, active: true, index: -1 };
    room.join(member);
    this.#subscriptions++;
    return { kind: 'joined', member, position: room.position };
  }

  async #open(channel: string): Promise<HostedRoom | undefined> {
    // Batches may come before the position does; they lie after it. They wait until those who opened the room have entered it.
    const early: ((room: HostedRoom) => void)[] = [];
    let opened: HostedRoom | undefined;
    const deliver = (give: (room: HostedRoom) => void): void => {
      if (opened === undefined) early.push(give);
      else give(opened);
    };
    let room: HostedRoom;
    try {
      const position = await this.#log.subscribe(channel, {
        onBatch: (batch) => deliver((to) => to.receive(batch)),
        onResubscribed: (again) => deliver((to) => to.resubscribed(again)),
      });
      room = new HostedRoom({ channel, policy: this.#policies.of(channel), position, surroundings: this.#surroundings });
    } catch (error) {
      this.#unopened.warn(error);
      this.#rooms.delete(channel);
      return undefined;
    }
    this.#rooms.set(channel, { state: 'open', room });
    this.#surroundings.clock.soon(() => {
      opened = room;
      for (const give of early) give(room);
    });
    return room;
  }

  #close(room: HostedRoom): void {
    const entry = this.#rooms.get(room.channel);
    if (entry?.state !== 'open' || entry.room !== room) return;
    this.#rooms.delete(room.channel);
    this.#flushCosts.delete(room);
    this.#stretched.delete(room);
    room.close();
    this.#log.unsubscribe(room.channel);
  }

  #loadOf(room: HostedRoom, { arrivals, publications, bytes, flushCostMs: measuredMs }: MeasuredLoad): RoomLoad {
    const before = this.#flushCosts.get(room);
    const flushCostMs =
      measuredMs === undefined || before === undefined ? (measuredMs ?? before) : before + costWeight * (measuredMs - before);
    if (flushCostMs !== undefined) this.#flushCosts.set(room, flushCostMs);
    const perSecond = 1000 / cadenceIntervalMs;
    return {
      channel: room.channel,
      flushCostMs: flushCostMs ?? 0,
      arrivalsPerSecond: arrivals * perSecond,
      publicationsPerSecond: publications * perSecond,
      bytesPerSecond: bytes * perSecond,
      policy: room.policy,
    };
  }

  /** Looks at some members at a time. One who is not admitted leaves; a plain client can't be told, and is disconnected. */
  #readmit(members: Iterator<Member>): void {
    for (let left = readmittedAtOnce; left > 0; left--) {
      const { value: member, done } = members.next();
      if (done === true) return;
      const { connection, room } = member;
      if (!member.active || mayJoin(room.policy, room.channel, connection.uid) === 'allowed') continue;
      if (connection.protocol === 'plain')
        connection.close(closeBecause(closeCodes.forbidden, `not allowed any more: the policy of ${room.channel} has changed`));
      else this.end(member, "this channel's policy has changed, and does not let this client subscribe");
    }
    this.#surroundings.clock.soon(() => this.#readmit(members));
  }

  #planCadence(): void {
    const active: HostedRoom[] = [];
    const loads: RoomLoad[] = [];
    for (const entry of this.#rooms.values()) {
      const measured = entry.state === 'open' ? entry.room.takeLoad() : undefined;
      if (entry.state !== 'open' || measured === undefined) continue;
      active.push(entry.room);
      loads.push(this.#loadOf(entry.room, measured));
    }
    this.#demand = loads.reduce((sum, load) => sum + demandOf(load), 0);
    const stretched = new Set<HostedRoom>();
    for (const [index, cadence] of planCadence(loads, this.#share).entries()) {
      const room = active[index];
      if (room === undefined) continue;
      room.setCadence(cadence);
      if (cadence.windowMs > room.policy.merge.windowMilliseconds) stretched.add(room);
    }
    for (const room of this.#stretched)
      if (!stretched.has(room) && !active.includes(room))
        room.setCadence({ windowMs: room.policy.merge.windowMilliseconds, budgetFactor: 1 });
    if (stretched.size > 0 && this.#stretched.size === 0) {
      this.#logger.warn(
        { rooms: stretched.size, demand: this.#demand, share: this.#share },
        'fan-out needs more CPU than it may take: the windows of the costliest rooms are stretched',
      );
    }
    this.#stretched = stretched;
  }
}

function* membersOf(rooms: readonly HostedRoom[]): Generator<Member, undefined> {
  for (const room of rooms) yield* room.everyone();
}
