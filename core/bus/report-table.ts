import type { GatewayRecord, RoomCounts } from './bus.ts';
import { ReportReader } from './report-message.ts';

/** How often a gateway reports, in milliseconds. */
export const reportIntervalMs = 1000;
/** A gateway that has been silent for this long is not counted, in milliseconds. */
const silentAfterMs = 3000;
/** … and after this long it is forgotten; until then its silence can be told by its name. */
const forgottenAfterMs = 15_000;
/** Most reports that wait for the one before them; a further one takes the place of the first. */
const heldReportsMax = 8;

/** Members of one channel at all gateways that are counted. */
interface ChannelTotal {
  readonly channel: string;
  ready: number;
  full: number;
  /** Gateways, silent ones too, that have told of the channel. */
  gateways: number;
}

interface ReportedGateway extends GatewayRecord {
  readonly life: string;
  /** The last report that is taken in, as are all before it. */
  sequence: number;
  /** Later reports, which wait for a missing one. */
  held: ReportReader[];
  /** The snapshot whose parts are coming in. */
  snapshot: { readonly sequence: number; readonly nextPart: number } | undefined;
  heardAt: number;
  askedAt: number;
  /** Since when a report is missing; undefined: none is. */
  incompleteSince: number | undefined;
  /** Whether it is in the totals. */
  isCounted: boolean;
  /** By the gateway's indices. */
  readonly totals: (ChannelTotal | undefined)[];
  readonly ready: number[];
  readonly full: number[];
}

/** A gateway to be asked for a snapshot of what its reports after number `since` have told. */
export interface SnapshotWish {
  readonly gateway: number;
  readonly since: number;
}

/**
 * A listener's side: the members of every room by the gateways' last reports. `now` is in milliseconds and never goes
 * back.
 */
export class ReportTable {
  readonly #ownLife: string;
  readonly #gateways = new Map<string, ReportedGateway>();
  readonly #totals = new Map<string, ChannelTotal>();

  /** @param ownLife this process's own life, of which it needs no reports */
  constructor(ownLife: string) {
    this.#ownLife = ownLife;
  }

  /**
   * Takes in a report. Where one before it is missing: whom to ask for a snapshot (said of a gateway at most once a
   * second).
   * @throws ReportFault
   */
  accept(bytes: Buffer, now: number): SnapshotWish | undefined {
    const reader = new ReportReader(bytes);
    const { kind, life } = reader.header;
    if (life === this.#ownLife) return undefined;
    if (kind === 'gone') {
      const leaving = this.#gateways.get(life);
      if (leaving !== undefined) this.#forget(leaving);
      return undefined;
    }
    const gateway = this.#heard(reader, now);
    if (kind === 'changes') this.#takeChanges(gateway, reader);
    else this.#takeSnapshot(gateway, reader);
    const isComplete = gateway.held.length === 0 && gateway.sequence > 0;
    gateway.incompleteSince = isComplete ? undefined : (gateway.incompleteSince ?? now);
    if (isComplete || gateway.snapshot !== undefined || now - gateway.askedAt < reportIntervalMs) return undefined;
    gateway.askedAt = now;
    return { gateway: gateway.number, since: gateway.sequence };
  }

  /** To be called about once a second: stops counting gateways that are silent, and forgets those that are for long. */
  sweep(now: number): void {
    for (const gateway of this.#gateways.values()) {
      if (now - gateway.heardAt > forgottenAfterMs) this.#forget(gateway);
      else if (now - gateway.heardAt > silentAfterMs) this.#count(gateway, false);
      // A part of its snapshot was lost, or comes late: the next report asks for another.
      if (now - gateway.askedAt > silentAfterMs) gateway.snapshot = undefined;
    }
  }

  /** Members of a channel at the gateways that were heard of lately. */
  memberCounts(channel: string): RoomCounts {
    const total = this.#totals.get(channel);
    return total === undefined ? { ready: 0, full: 0 } : { ready: total.ready, full: total.full };
  }

  /** The gateways that were heard of: 'alive' lately, 'silent' a little longer ago. */
  gateways(now: number): readonly (GatewayRecord & { readonly condition: 'alive' | 'silent' })[] {
    return Array.from(this.#gateways.values(), ({ number, name, heardAt }) => ({
      number,
      name,
      condition: now - heardAt > silentAfterMs ? 'silent' : 'alive',
    }));
  }

  /** Channels that a gateway has told of. */
  get channels(): number {
    return this.#totals.size;
  }

  /** Gateways of which no report is missing. */
  get complete(): number {
    let complete = 0;
    for (const { incompleteSince } of this.#gateways.values()) if (incompleteSince === undefined) complete++;
    return complete;
  }

  /** Whether the counts are whole: of no gateway that is counted a report has been missing for long. */
  isWhole(now: number): boolean {
    for (const { isCounted, incompleteSince, sequence } of this.#gateways.values()) {
      if (!isCounted || incompleteSince === undefined) continue;
      if (sequence === 0 || now - incompleteSince > silentAfterMs) return false;
    }
    return true;
  }

  #heard({ header }: ReportReader, now: number): ReportedGateway {
    let gateway = this.#gateways.get(header.life);
    if (gateway === undefined) {
      gateway = {
        number: header.gateway,
        name: header.name,
        life: header.life,
        sequence: 0,
        held: [],
        snapshot: undefined,
        heardAt: now,
        askedAt: Number.NEGATIVE_INFINITY,
        incompleteSince: undefined,
        isCounted: true,
        totals: [],
        ready: [],
        full: [],
      };
      this.#gateways.set(header.life, gateway);
    }
    gateway.heardAt = now;
    this.#count(gateway, true);
    return gateway;
  }

  #takeChanges(gateway: ReportedGateway, reader: ReportReader): void {
    const { sequence } = reader.header;
    if (sequence <= gateway.sequence) return;
    if (sequence === gateway.sequence + 1) {
      this.#apply(gateway, reader);
      gateway.sequence = sequence;
      return;
    }
    if (gateway.held.length === heldReportsMax) gateway.held.shift();
    gateway.held.push(reader);
  }

  /** The parts come in order. They say what is true as of one report, so that what is taken in twice does no harm. */
  #takeSnapshot(gateway: ReportedGateway, reader: ReportReader): void {
    const { kind, sequence, since, part } = reader.header;
    if (since > gateway.sequence || sequence < gateway.sequence) return;
    const isNext = part === 0 || (gateway.snapshot?.sequence === sequence && gateway.snapshot.nextPart === part);
    gateway.snapshot = isNext && kind === 'snapshot' ? { sequence, nextPart: part + 1 } : undefined;
    if (!isNext) return;
    this.#apply(gateway, reader);
    if (kind === 'snapshot') return;
    gateway.sequence = sequence;
    const { held } = gateway;
    gateway.held = [];
    for (const later of held) this.#takeChanges(gateway, later);
  }

  #apply(gateway: ReportedGateway, reader: ReportReader): void {
    while (reader.next()) {
      const { index, channel, ready, full } = reader;
      if (channel !== undefined) this.#name(gateway, index, channel);
      const total = gateway.totals[index];
      if (total === undefined) continue;
      if (gateway.isCounted) {
        total.ready += ready - gateway.ready[index]!;
        total.full += full - gateway.full[index]!;
      }
      gateway.ready[index] = ready;
      gateway.full[index] = full;
      if (ready + full === 0) this.#release(gateway, index, total);
    }
  }

  /** From now on the index stands for this channel. */
  #name(gateway: ReportedGateway, index: number, channel: string): void {
    const { totals, ready, full } = gateway;
    while (totals.length <= index) {
      totals.push(undefined);
      ready.push(0);
      full.push(0);
    }
    const before = totals[index];
    if (before?.channel === channel) return;
    if (before !== undefined) this.#clear(gateway, index, before);
    let total = this.#totals.get(channel);
    if (total === undefined) this.#totals.set(channel, (total = { channel, ready: 0, full: 0, gateways: 0 }));
    total.gateways++;
    totals[index] = total;
  }

  #clear(gateway: ReportedGateway, index: number, total: ChannelTotal): void {
    if (gateway.isCounted) {
      total.ready -= gateway.ready[index]!;
      total.full -= gateway.full[index]!;
    }
    gateway.ready[index] = 0;
    gateway.full[index] = 0;
    this.#release(gateway, index, total);
  }

  #release(gateway: ReportedGateway, index: number, total: ChannelTotal): void {
    gateway.totals[index] = undefined;
    if (--total.gateways === 0) this.#totals.delete(total.channel);
  }

  #count(gateway: ReportedGateway, isCounted: boolean): void {
    if (gateway.isCounted === isCounted) return;
    gateway.isCounted = isCounted;
    const sign = isCounted ? 1 : -1;
    for (const [index, total] of gateway.totals.entries()) {
      if (total === undefined) continue;
      total.ready += sign * gateway.ready[index]!;
      total.full += sign * gateway.full[index]!;
    }
  }

  #forget(gateway: ReportedGateway): void {
    this.#gateways.delete(gateway.life);
    for (const [index, total] of gateway.totals.entries()) if (total !== undefined) this.#clear(gateway, index, total);
  }
}
