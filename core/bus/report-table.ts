import type { GatewayRecord, RoomCounts } from './bus.ts';
import { ReportReader } from './report-message.ts';

/** Interval of a gateway's reports, in milliseconds. */
export const reportIntervalMs = 1000;
/** Silence after which a gateway is not counted, in milliseconds. */
const silentAfterMs = 3000;
/** Silence after which a gateway is forgotten, in milliseconds. Until then its name can be listed as silent. */
const forgottenAfterMs = 15_000;
/** Most reports of a gateway that wait for a missing one. A further report replaces the oldest. */
const heldReportsMax = 8;

/** Members of one channel at all gateways that are counted. */
interface ChannelTotal {
  readonly channel: string;
  ready: number;
  full: number;
  /** Gateways with an entry for the channel, silent ones included. */
  gateways: number;
}

interface ReportedGateway extends GatewayRecord {
  readonly life: string;
  /** The last applied report; all earlier ones are applied too. */
  sequence: number;
  /** Later reports that wait for a missing one. */
  held: ReportReader[];
  /** The snapshot that is being received. */
  snapshot: { readonly sequence: number; readonly nextPart: number } | undefined;
  heardAt: number;
  askedAt: number;
  /** Time from which a report is missing; undefined when none is. */
  incompleteSince: number | undefined;
  /** Whether the totals include this gateway. */
  isCounted: boolean;
  /** Totals by the gateway's indices. */
  readonly totals: (ChannelTotal | undefined)[];
  readonly ready: number[];
  readonly full: number[];
}

/** A gateway to ask for a snapshot of all changes after its report `since`. */
export interface SnapshotWish {
  readonly gateway: number;
  readonly since: number;
}

/**
 * The listener's side of the member counts: the members of every room by the gateways' last reports. `now` is in
 * milliseconds and never goes back.
 */
export class ReportTable {
  readonly #ownLife: string;
  readonly #gateways = new Map<string, ReportedGateway>();
  readonly #totals = new Map<string, ChannelTotal>();

  /** @param ownLife the life of this process, whose own reports are ignored */
  constructor(ownLife: string) {
    this.#ownLife = ownLife;
  }

  /**
   * Applies a report. Returns the gateway to ask for a snapshot when an earlier report is missing, at most once a
   * second for each gateway.
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

  /** Stops counting silent gateways, and forgets gateways that stay silent. Must be called about once a second. */
  sweep(now: number): void {
    for (const gateway of this.#gateways.values()) {
      if (now - gateway.heardAt > forgottenAfterMs) this.#forget(gateway);
      else if (now - gateway.heardAt > silentAfterMs) this.#count(gateway, false);
      // A part of the snapshot was lost or is late: the next report asks for another snapshot.
      if (now - gateway.askedAt > silentAfterMs) gateway.snapshot = undefined;
    }
  }

  /** Members of a channel at all gateways that are not silent. */
  memberCounts(channel: string): RoomCounts {
    const total = this.#totals.get(channel);
    return total === undefined ? { ready: 0, full: 0 } : { ready: total.ready, full: total.full };
  }

  /** The known gateways. A 'silent' one has not reported for `silentAfterMs`. */
  gateways(now: number): readonly (GatewayRecord & { readonly condition: 'alive' | 'silent' })[] {
    return Array.from(this.#gateways.values(), ({ number, name, heardAt }) => ({
      number,
      name,
      condition: now - heardAt > silentAfterMs ? 'silent' : 'alive',
    }));
  }

  /** Number of channels in the gateways' reports. */
  get channels(): number {
    return this.#totals.size;
  }

  /** Number of gateways without a missing report. */
  get complete(): number {
    let complete = 0;
    for (const { incompleteSince } of this.#gateways.values()) if (incompleteSince === undefined) complete++;
    return complete;
  }

  /** Whether the counts are whole: no counted gateway has lacked a report for longer than `silentAfterMs`. */
  isWhole(now: number): boolean {
    for (const { isCounted, incompleteSince, sequence } of this.#gateways.values()) {
      if (!isCounted || incompleteSince === undefined) continue;
      if (sequence === 0 || now - incompleteSince > silentAfterMs) return false;
    }
    return true;
  }

  #heard({ header }: ReportReader, now: number): ReportedGateway {
    let gateway = this.#gateways.get(header.life);
    // A process whose number was not in force in time takes another one, and reports from the beginning.
    if (gateway !== undefined && gateway.number !== header.gateway) {
      this.#forget(gateway);
      gateway = undefined;
    }
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

  /**
   * Applies a part of a snapshot. Parts come in order. Each holds absolute counts as of one report, so applying a part
   * twice does no harm.
   */
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

  /** Maps the index to this channel from now on. */
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
