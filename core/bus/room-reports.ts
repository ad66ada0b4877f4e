import type { GatewayRecord, RoomCounts } from './bus.ts';

/** Most rooms of one report message; more go in several. */
export const roomsPerReportMax = 1000;
/** How often a gateway reports, in milliseconds. */
export const reportIntervalMs = 1000;
/** A gateway that has been silent for this long is not counted, in milliseconds. */
const silentAfterMs = 3000;
/** … and after this long it is forgotten; until then its silence can be told by its name. */
const forgottenAfterMs = 15_000;

export type ReportedRoom = readonly [channel: string, ready: number, full: number];

/** What a gateway says of its rooms. `life` names one run of one process, within which `sequence` rises by one from report to report. */
export interface RoomReport {
  readonly gateway: number;
  readonly name: string;
  readonly life: string;
  readonly sequence: number;
  /** 'full': these rooms and no others; 'changes': these rooms have changed; 'gone': the gateway leaves. */
  readonly kind: 'full' | 'changes' | 'gone';
  /** A room without members is one that is gone. */
  readonly rooms: readonly ReportedRoom[];
}

/** A gateway's side: finds what has changed since the last report. */
export class RoomReporter {
  readonly #identity: GatewayRecord & { readonly life: string };
  readonly #reported = new Map<string, { ready: number; full: number; turn: number }>();
  #turn = 0;
  #sequence = 0;
  #fullWanted = true;

  constructor(identity: GatewayRecord & { readonly life: string }) {
    this.#identity = identity;
  }

  /** Somebody lacks a report: the next ones tell everything. */
  wantFull(): void {
    this.#fullWanted = true;
  }

  /** The reports to send now: at least one, so that the gateway is known to be alive. */
  next(rooms: Iterable<readonly [channel: string, counts: RoomCounts]>): readonly RoomReport[] {
    const full = this.#fullWanted;
    this.#fullWanted = false;
    if (full) this.#reported.clear();
    const changes = this.#changesSince(rooms);
    const reports: RoomReport[] = [];
    for (let start = 0; start === 0 || start < changes.length; start += roomsPerReportMax) {
      const part = changes.slice(start, start + roomsPerReportMax);
      reports.push(this.#report(full && start === 0 ? 'full' : 'changes', part));
    }
    return reports;
  }

  gone(): RoomReport {
    return this.#report('gone', []);
  }

  #changesSince(rooms: Iterable<readonly [channel: string, counts: RoomCounts]>): ReportedRoom[] {
    const turn = ++this.#turn;
    const changes: ReportedRoom[] = [];
    for (const [channel, { ready, full }] of rooms) {
      const known = this.#reported.get(channel);
      if (known?.ready !== ready || known.full !== full) changes.push([channel, ready, full]);
      if (known === undefined) {
        this.#reported.set(channel, { ready, full, turn });
      } else {
        known.ready = ready;
        known.full = full;
        known.turn = turn;
      }
    }
    for (const [channel, known] of this.#reported) {
      if (known.turn === turn) continue;
      changes.push([channel, 0, 0]);
      this.#reported.delete(channel);
    }
    return changes;
  }

  #report(kind: RoomReport['kind'], rooms: readonly ReportedRoom[]): RoomReport {
    const { number, name, life } = this.#identity;
    return { gateway: number, name, life, sequence: ++this.#sequence, kind, rooms };
  }
}

interface ReportedGateway extends GatewayRecord {
  readonly life: string;
  sequence: number;
  heardAt: number;
  askedAt: number;
  /** Whether a full report is the base of `rooms`, with no hole since. */
  whole: boolean;
  readonly rooms: Map<string, RoomCounts>;
}

/** A publisher's side: the members of every room by the gateways' last reports. `now` is in milliseconds and never goes back. */
export class ReportTable {
  readonly #gateways = new Map<number, ReportedGateway>();

  /** Takes in a report. 'ask': one before it is missing, so its gateway must be asked for a full one (said at most once a second). */
  accept(report: RoomReport, now: number): 'taken' | 'ask' {
    if (report.kind === 'gone') {
      if (this.#gateways.get(report.gateway)?.life === report.life) this.#gateways.delete(report.gateway);
      return 'taken';
    }
    let gateway = this.#gateways.get(report.gateway);
    if (gateway === undefined || gateway.life !== report.life) {
      const { gateway: number, name, life } = report;
      gateway = { number, name, life, sequence: 0, heardAt: now, askedAt: Number.NEGATIVE_INFINITY, whole: false, rooms: new Map() };
      this.#gateways.set(number, gateway);
    }
    if (report.kind === 'full') {
      gateway.rooms.clear();
      gateway.whole = true;
    } else if (report.sequence !== gateway.sequence + 1) {
      gateway.whole = false;
    }
    gateway.sequence = report.sequence;
    gateway.heardAt = now;
    for (const [channel, ready, full] of report.rooms) {
      if (ready + full === 0) gateway.rooms.delete(channel);
      else gateway.rooms.set(channel, { ready, full });
    }
    if (gateway.whole || now - gateway.askedAt < reportIntervalMs) return 'taken';
    gateway.askedAt = now;
    return 'ask';
  }

  /** Members of a channel at the gateways that were heard of lately. */
  memberCounts(channel: string, now: number): RoomCounts {
    let ready = 0;
    let full = 0;
    for (const gateway of this.#gateways.values()) {
      if (now - gateway.heardAt > silentAfterMs) continue;
      const counts = gateway.rooms.get(channel);
      if (counts === undefined) continue;
      ready += counts.ready;
      full += counts.full;
    }
    return { ready, full };
  }

  /** The gateways that were heard of: 'alive' lately, 'silent' a little longer ago. */
  gateways(now: number): readonly (GatewayRecord & { readonly condition: 'alive' | 'silent' })[] {
    const known: (GatewayRecord & { readonly condition: 'alive' | 'silent' })[] = [];
    for (const [number, { name, heardAt }] of this.#gateways) {
      if (now - heardAt > forgottenAfterMs) this.#gateways.delete(number);
      else known.push({ number, name, condition: now - heardAt > silentAfterMs ? 'silent' : 'alive' });
    }
    return known;
  }
}
