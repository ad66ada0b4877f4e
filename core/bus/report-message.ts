import { gatewayNumberMax } from '../client-id.ts';
import { limits } from '../limits.ts';

/**
 * A gateway's member report as bytes, so that a change of one room costs three or four of them:
 *
 *     report := version 1 | kind | number gateway | text name | text life | number sequence
 *               | (snapshots: number since | number part) | entry*
 *     entry  := number index × 2 + named | (named: text channel) | number ready × 2 + hasFull | (hasFull: number full)
 *     number := LEB128, unsigned                    text := number of bytes | UTF-8
 *
 * `index` stands for a channel in all later reports of the same life. An entry without members frees its index.
 */
const version = 1;
const kinds = ['changes', 'snapshot', 'snapshot-end', 'gone'] as const;
const nameBytesMax = 1024;
const lifeBytesMax = 64;
/**
 * Largest index in a gateway's reports: open rooms, plus as many closed rooms whose closing is still to be reported.
 */
const roomIndexMax = 2 * limits.roomsMax;
const firstBytes = 4096;
/** Longest entry, in bytes: four numbers and a name. */
const entryBytesMax = 4 * 8 + limits.channelNameBytesMax;

/**
 * The header of a report. `life` names one run of one process. Within a life, `sequence` rises by one from report to
 * report.
 */
export interface ReportHeader {
  /**
   * `changes`: these rooms have changed. `snapshot` and `snapshot-end`: rooms that changed after report `since`, as of
   * report `sequence`, in one or more parts. `gone`: the gateway leaves.
   */
  readonly kind: (typeof kinds)[number];
  readonly gateway: number;
  readonly name: string;
  readonly life: string;
  readonly sequence: number;
  /** 0 except in snapshots. */
  readonly since: number;
  /** Number of this part of a snapshot, from 0. */
  readonly part: number;
}

/** A message that is no report of this version. */
export class ReportFault extends Error {
  override readonly name = 'ReportFault';
}

/** Writes one report. */
export class ReportWriter {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #length = 0;

  constructor(header: ReportHeader) {
    this.#bytes[0] = version;
    this.#length = 2;
    this.mark(header.kind);
    this.#number(header.gateway);
    this.#text(header.name);
    this.#text(header.life);
    this.#number(header.sequence);
    if (!isSnapshot(header.kind)) return;
    this.#number(header.since);
    this.#number(header.part);
  }

  get length(): number {
    return this.#length;
  }

  /** Changes the kind, from `snapshot` to `snapshot-end`. */
  mark(kind: ReportHeader['kind']): void {
    this.#bytes[1] = kinds.indexOf(kind);
  }

  /** @param channel the name, unless all readers know the index */
  entry(index: number, channel: string | undefined, ready: number, full: number): void {
    this.#reserve(entryBytesMax);
    this.#number(index * 2 + (channel === undefined ? 0 : 1));
    if (channel !== undefined) this.#text(channel);
    this.#number(ready * 2 + (full > 0 ? 1 : 0));
    if (full > 0) this.#number(full);
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #number(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #text(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.#number(bytes);
    this.#reserve(bytes);
    this.#bytes.write(text, this.#length);
    this.#length += bytes;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Reads one report: the header at once, then one entry at a time. Only names are allocated. */
export class ReportReader {
  readonly header: ReportHeader;
  /** The entry that `next` read. */
  index = 0;
  channel: string | undefined;
  ready = 0;
  full = 0;
  readonly #bytes: Buffer;
  #at = 2;

  /** @throws ReportFault */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    if (bytes[0] !== version) throw new ReportFault(`no report of version ${version}`);
    const kind = kinds[bytes[1] ?? kinds.length];
    if (kind === undefined) throw new ReportFault('a report of an unknown kind');
    const gateway = this.#number();
    if (gateway < 1 || gateway > gatewayNumberMax) throw new ReportFault(`a report of gateway number ${gateway}`);
    const name = this.#text(nameBytesMax);
    const life = this.#text(lifeBytesMax);
    const sequence = this.#number();
    const since = isSnapshot(kind) ? this.#number() : 0;
    const part = isSnapshot(kind) ? this.#number() : 0;
    this.header = { kind, gateway, name, life, sequence, since, part };
  }

  /**
   * Reads the next entry into `index`, `channel`, `ready` and `full`; false after the last entry.
   * @throws ReportFault
   */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const head = this.#number();
    this.index = Math.floor(head / 2);
    if (this.index > roomIndexMax) throw new ReportFault(`room index ${this.index}`);
    this.channel = head % 2 === 1 ? this.#text(limits.channelNameBytesMax) : undefined;
    const ready = this.#number();
    this.ready = Math.floor(ready / 2);
    this.full = ready % 2 === 1 ? this.#number() : 0;
    return true;
  }

  #number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new ReportFault('a report that was cut off');
      if (scale > 2 ** 42) throw new ReportFault('a number beyond 2^49');
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  }

  #text(bytesMax: number): string {
    const bytes = this.#number();
    if (bytes > bytesMax) throw new ReportFault(`a text of ${bytes} bytes, beyond ${bytesMax}`);
    const end = this.#at + bytes;
    if (end > this.#bytes.length) throw new ReportFault('a report that was cut off');
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end;
    return text;
  }
}

function isSnapshot(kind: ReportHeader['kind']): boolean {
  return kind === 'snapshot' || kind === 'snapshot-end';
}
