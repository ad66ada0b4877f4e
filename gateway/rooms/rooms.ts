import type { ChannelLog, RoomCounts } from '../../core/bus/bus.ts';
import { closeBecause, closeCodes } from '../../core/close-codes.ts';
import { limits } from '../../core/limits.ts';
import type { Policies } from '../../core/policy/policy.ts';
import type { Logger } from '../../core/process/logging.ts';
import { inSlices, type SliceOptions } from '../../core/slices.ts';
import type { SparseLog } from '../../core/process/sparse-log.ts';
import type { ClientLog } from '../accounts/client-log.ts';
import { gatewayJournal } from '../accounts/log-lines.ts';
import { mayJoin } from '../identity/channel-access.ts';
import { cadenceAt, demandOf, levelOf, type RoomLoad } from '../merging/cadence.ts';
import { densityFor } from '../merging/density.ts';
import { CatchUpTurns } from './catch-up-turns.ts';
import { ColdRooms } from './cold-rooms.ts';
import { HistoryReads } from './history-reads.ts';
import { HoleFiller } from './hole-filler.ts';
import { accessOf, type JoinRefusal, type JoinRequest, type JoinResult } from './joining.ts';
import type { Member, Subscriber } from './members.ts';
import { Room, type RoomSurroundings } from './room.ts';
import { TrafficWindow } from './traffic-window.ts';

/** A room whose bus subscription is not acknowledged yet; later joins wait with it. */
interface OpeningRoom {
  readonly state: 'opening';
  readonly opened: Promise<Room | undefined>;
}
interface OpenRoom {
  readonly state: 'open';
  readonly room: Room;
}

const cadenceIntervalMs = 500;
/** Members that are settled together after a change of policy. */
const settledTogether = 64;

/** The rooms of one gateway. The first member opens a room, and the last one's leaving closes it. */
export class Rooms {
  readonly #log: ChannelLog;
  /** Log of the lives of clients; absent: nobody reads it. */
  readonly clients: ClientLog | undefined;
  readonly #surroundings: RoomSurroundings;
  readonly #unopened: SparseLog;
  readonly #stretching: SparseLog<{ readonly rooms: number; readonly demand: number; readonly share: number }>;
  readonly #share: number;
  readonly #coldRooms: ColdRooms;
  #policies: Policies;
  readonly #rooms = new Map<string, OpeningRoom | OpenRoom>();
  /** Rooms with input or writes since the cadence was last planned. */
  #active = new Set<Room>();
  #stretched = new Set<Room>();
  /** Loads of the rooms with traffic, by the last plan of the cadence, which replaces the map. */
  loads: ReadonlyMap<Room, RoomLoad> = new Map();
  #demand = 0;
  #isPlanning = false;
  readonly #cadenceSlices: Pick<SliceOptions<Room>, 'clock' | 'onSlice'>;
  readonly #traffic: TrafficWindow;
  #subscriptions = 0;
  readonly #stopCadence: () => void;
  /** Rooms with members that may get another density, or may have to leave. */
  readonly #unsettled = new Set<Room>();
  #callOffPolicies = (): void => {};

  constructor(options: {
    readonly log: ChannelLog;
    readonly policies: Policies;
    readonly surroundings: RoomSurroundings;
    readonly logger: Logger;
    readonly clients?: ClientLog;
    /** Share of the event loop for fan-out, 0 to 1. */
    readonly share: number;
  }) {
    this.#log = options.log;
    this.#policies = options.policies;
    const reads = new HistoryReads({ ...options.surroundings, log: options.log });
    const holes = new HoleFiller({ ...options.surroundings, reads });
    const catchUps = new CatchUpTurns(options.surroundings);
    this.#surroundings = { ...options.surroundings, history: { holes, reads, catchUps } };
    this.clients = options.clients;
    const journal = gatewayJournal(options.logger, options.surroundings.clock);
    this.#unopened = journal.sparse('room-unopened');
    this.#stretching = journal.sparse('windows-stretched');
    this.#share = options.share;
    const { clock, metrics } = options.surroundings;
    this.#cadenceSlices = { clock, onSlice: (milliseconds) => metrics.loopSlice('cadence', milliseconds) };
    this.#traffic = new TrafficWindow(options.surroundings);
    metrics.policies.isInForce = (pattern) => this.#policies.has(pattern);
    this.#coldRooms = new ColdRooms(options.surroundings.clock.monotonic());
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

  /** Share of the event loop that fan-out would take at the policies' windows. */
  get demand(): number {
    return this.#demand;
  }

  get policies(): Policies {
    return this.#policies;
  }

  /**
   * Puts new policies in force: at once for joining clients, and room by room for members. No client is reconnected.
   * Members that a new policy does not admit leave the room.
   */
  setPolicies(policies: Policies): void {
    // Each pool document carries the policies, and few documents change them.
    if (policies === this.#policies) return;
    this.#policies = policies;
    this.#callOffPolicies();
    this.#callOffPolicies = inSlices(this.#rooms.values(), {
      clock: this.#surroundings.clock,
      step: (entry) => {
        if (entry.state === 'open') this.#renew(entry.room);
      },
      onDone: () => this.#settle(),
      onSlice: (milliseconds) => this.#surroundings.metrics.loopSlice('policies', milliseconds),
    });
  }

  /**
   * Subscribes a connection. Access is checked in the same turn as the entry: identity and policy may have changed
   * while the room was opened.
   */
  async join(connection: Subscriber, request: JoinRequest): Promise<JoinResult> {
    const { channel } = request;
    let entry = this.#rooms.get(channel);
    if (entry?.state === 'open') return this.#enterPrepared(connection, entry.room, request);
    const access = accessOf(connection.uid, request, this.#policies);
    if (access !== 'allowed') return this.#refuse(connection, request, access);
    if (entry === undefined) {
      if (this.#rooms.size >= limits.roomsMax) return this.#refuse(connection, request, 'rooms');
      const { clock, metrics } = this.#surroundings;
      const opening = this.#coldRooms.open(request.by === 'client' ? connection : undefined, clock.monotonic());
      if (opening !== 'opened') {
        metrics.refusedRooms.inc({ reason: opening });
        return this.#refuse(connection, request, opening);
      }
      entry = { state: 'opening', opened: this.#open(channel) };
      this.#rooms.set(channel, entry);
    }
    const room = await entry.opened;
    if (room === undefined) return this.#refuse(connection, request, 'bus');
    // Another waiting join may have found its connection gone, and closed the room as its last member.
    if (this.find(channel) !== room) return this.join(connection, request);
    return this.#enterPrepared(connection, room, request);
  }

  /** Between entering a room and the caller's reply nothing yields: the reply comes before the first publication. */
  async #enterPrepared(connection: Subscriber, room: Room, request: JoinRequest): Promise<JoinResult> {
    const preparing = accessOf(connection.uid, request, this.#policies) === 'allowed' ? room.resumes.prepare(request) : undefined;
    if (preparing !== undefined) {
      await preparing;
      // Meanwhile the room's last member may have left it.
      if (this.find(room.channel) !== room) return this.join(connection, request);
    }
    const result = this.#enter(connection, room, request);
    if (room.size === 0) this.#close(room);
    return result;
  }

  leave(member: Member): void {
    if (!member.active) return;
    const room = this.find(member.room.channel);
    if (room === undefined) return;
    room.leave(member);
    this.#subscriptions--;
    if (room.size === 0) this.#close(room);
  }

  /** Ends a subscription that its client did not end, and tells the client if the encoding can. */
  end(member: Member, message: string): void {
    if (!member.active) return;
    this.leave(member);
    this.clients?.unsubscribed(member.connection, member.room.channel, message);
    member.connection.tell({ type: 'unsubscribed', channel: member.room.channel, message });
  }

  /**
   * Gives a member another density.
   * @param asked publications a second; `undefined` = all that the policy allows
   */
  changeDensity(member: Member, asked: number | undefined): void {
    if (member.active) this.find(member.room.channel)?.changeDensity(member, asked);
  }

  find(channel: string): Room | undefined {
    const entry = this.#rooms.get(channel);
    return entry?.state === 'open' ? entry.room : undefined;
  }

  counts(channel: string): RoomCounts {
    const room = this.find(channel);
    return room === undefined ? { ready: 0, full: 0 } : { ready: room.size - room.fullMembers, full: room.fullMembers };
  }

  *openRooms(): Iterable<Room> {
    for (const entry of this.#rooms.values()) if (entry.state === 'open') yield entry.room;
  }

  *allCounts(): Iterable<readonly [channel: string, counts: RoomCounts]> {
    for (const [channel, entry] of this.#rooms) if (entry.state === 'open') yield [channel, this.counts(channel)];
  }

  /** Resolves when all rooms are closed. */
  close(): Promise<void> {
    this.#stopCadence();
    this.#traffic.close();
    this.#callOffPolicies();
    return new Promise((resolve) => {
      inSlices(this.#rooms.values(), {
        clock: this.#surroundings.clock,
        step: (entry) => {
          if (entry.state === 'open') this.#close(entry.room);
        },
        onDone: resolve,
        onSlice: (milliseconds) => this.#surroundings.metrics.loopSlice('end', milliseconds),
      });
    });
  }

  #enter(connection: Subscriber, room: Room, request: JoinRequest): JoinResult {
    if (connection.isClosed) return this.#refuse(connection, request, 'closed');
    const access = accessOf(connection.uid, request, this.#policies);
    if (access !== 'allowed') return this.#refuse(connection, request, access);
    const present = connection.memberOf(room.channel);
    if (present !== undefined) return { kind: 'already', member: present };
    if (connection.members.length >= limits.subscriptionsPerConnectionMax) return this.#refuse(connection, request, 'subscriptions');
    if (room.size >= (room.policy.limits.membersMax ?? Infinity)) return this.#refuse(connection, request, 'members');
    const asked = request.density;
    const encoding = connection.encodingOf(room.channel);
    const memberClass = (request.since === undefined ? encoding : encoding.handover).classAt(densityFor(asked, room.policy));
    const member: Member = { connection, room, memberClass, asked, active: true, index: -1 };
    room.join(member);
    this.#subscriptions++;
    this.clients?.subscribed(connection, room.channel, request.by);
    const doubtful = request.since === undefined ? undefined : this.#log.doubtfulPosition?.(room.channel);
    return {
      kind: 'joined',
      member,
      ...(doubtful === undefined ? room.resumes.begin(member, request) : { position: doubtful, recovered: false }),
    };
  }

  #refuse(connection: Subscriber, { channel, by }: JoinRequest, reason: JoinRefusal): JoinResult {
    this.clients?.subscriptionRefused(connection, channel, { reason, by });
    return { kind: 'refused', reason };
  }

  async #open(channel: string): Promise<Room | undefined> {
    // Batches may arrive before the position; they lie after it. They wait until the joins that opened the room have
    // entered it.
    const early: ((room: Room) => void)[] = [];
    let opened: Room | undefined;
    const deliver = (give: (room: Room) => void): void => {
      if (opened === undefined) early.push(give);
      else give(opened);
    };
    let room: Room;
    try {
      const position = await this.#log.subscribe(channel, {
        onBatch: (batch) => deliver((to) => to.receive(batch)),
        onResubscribed: (again) => deliver((to) => to.resubscribed(again)),
      });
      room = new Room({
        channel,
        policy: this.#policies.of(channel),
        position,
        surroundings: this.#surroundings,
        onActive: (active) => {
          this.#active.add(active);
          this.#traffic.noted(active);
        },
      });
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

  #close(room: Room): void {
    const entry = this.#rooms.get(room.channel);
    if (entry?.state !== 'open' || entry.room !== room) return;
    this.#rooms.delete(room.channel);
    this.#active.delete(room);
    this.#stretched.delete(room);
    this.#unsettled.delete(room);
    this.#traffic.closed(room);
    room.close();
    this.#log.unsubscribe(room.channel);
  }

  #renew(room: Room): void {
    const before = room.policy.access.subscribe;
    const mustSettle = room.setPolicy(this.#policies.of(room.channel));
    if (mustSettle || room.policy.access.subscribe !== before) this.#unsettled.add(room);
  }

  /**
   * Gives members the density that the new policy allows, and ends memberships that it does not admit, some members at
   * a time.
   */
  #settle(): void {
    this.#callOffPolicies = inSlices(this.#unsettledMembers(), {
      clock: this.#surroundings.clock,
      step: ({ room, members }) => {
        room.settle(members);
        for (const member of members) this.#readmit(member);
      },
      // Each step may have to tell a member that it leaves.
      stepsPerLook: 1,
      onSlice: (milliseconds) => this.#surroundings.metrics.loopSlice('policies', milliseconds),
    });
  }

  /** The members of unsettled rooms. A room stays unsettled when newer policies cancel its walk. */
  *#unsettledMembers(): Generator<{ readonly room: Room; readonly members: readonly Member[] }, void> {
    for (const room of this.#unsettled) {
      const all = room.everyone();
      for (let from = 0; from < all.length; from += settledTogether) yield { room, members: all.slice(from, from + settledTogether) };
      this.#unsettled.delete(room);
    }
  }

  /** Ends the membership of a client that is not admitted any more. A client that can't be told is disconnected. */
  #readmit(member: Member): void {
    const { connection, room } = member;
    if (!member.active || mayJoin(room.policy, room.channel, connection.uid) === 'allowed') return;
    if (!connection.encoding.canTell)
      connection.close(closeBecause(closeCodes.forbidden, `not allowed any more: the policy of ${room.channel} has changed`));
    else this.end(member, "this channel's policy has changed, and does not let this client subscribe");
  }

  /**
   * Looks at the rooms in which something happened, in slices. A plan that is under way when the next is due is
   * finished first.
   */
  #planCadence(): void {
    if (this.#isPlanning) return;
    this.#isPlanning = true;
    const happened = this.#active;
    this.#active = new Set();
    const loads = new Map<Room, RoomLoad>();
    inSlices(happened, {
      ...this.#cadenceSlices,
      step: (room) => {
        const load = room.takeLoad(cadenceIntervalMs);
        if (load !== undefined) loads.set(room, load);
        if (room.isFlushing) this.#active.add(room);
      },
      onDone: () => this.#setCadences(loads),
    });
  }

  #setCadences(loads: ReadonlyMap<Room, RoomLoad>): void {
    this.loads = loads;
    const demands = [...loads.values()].map(demandOf);
    this.#demand = demands.reduce((sum, demand) => sum + demand, 0);
    const level = levelOf(demands, this.#share);
    const before = this.#stretched;
    this.#stretched = new Set();
    // A room that is not stretched and was not has the window of its policy already.
    const changing = level === Infinity ? before : new Set([...before, ...loads.keys()]);
    inSlices(changing, {
      ...this.#cadenceSlices,
      step: (room) => this.#setCadence(room, loads.get(room), level),
      onDone: () => {
        this.#isPlanning = false;
        if (this.#stretched.size === 0 || before.size > 0) return;
        const figures = { rooms: this.#stretched.size, demand: this.#demand, share: this.#share };
        this.#stretching.warn('fan-out needs more CPU than it may take', figures);
      },
    });
  }

  #setCadence(room: Room, load: RoomLoad | undefined, level: number): void {
    if (this.find(room.channel) !== room) return;
    const policyMs = room.policy.merge.windowMilliseconds;
    const cadence = load === undefined ? { windowMs: policyMs, budgetFactor: 1 } : cadenceAt(load, level);
    room.setCadence(cadence);
    if (cadence.windowMs > policyMs) this.#stretched.add(room);
  }
}
