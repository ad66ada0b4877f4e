import type { Clock } from '../clock.ts';
import { readTextFile } from '../process/bounded-read.ts';
import { processJournal, type ProcessJournal } from '../process/log-lines.ts';
import type { Logger } from '../process/logging.ts';
import { systemClock } from '../process/system-clock.ts';
import { readPair, type CertificatePair, type PairRead } from './certificate-pair.ts';

/** Largest file of a certificate or key, in bytes: the bound of a Secret. */
export const certificateFileBytesMax = 1_048_576;
const pollMsDefault = 1_000;

/** The certificate can't be used; `message` says why. Thrown at the start only: later the pair in force stays. */
class CertificateFault extends Error {
  override readonly name = 'CertificateFault';
  readonly code = 'certificate_fault';
}

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

interface WatchOptions {
  readonly logger: Logger;
  /** Interval between two looks, in milliseconds. */
  readonly pollMs?: number;
  readonly clock?: Pick<Clock, 'after' | 'wall' | 'monotonic'>;
}

/**
 * Reads a certificate and its key, and looks every second for a change by reading them: a Secret is mounted as a chain
 * of symbolic links that are exchanged, which file watchers miss. A pair counts when two looks in a row found it, since
 * one look may find the new certificate with the old key. A pair that can't be used is logged and counted, and the pair
 * in force stays.
 *
 * At the start a pair that is good but for its dates is taken: a process that ends would serve nobody better.
 * @throws CertificateFault when there is no usable pair at the start
 */
export async function watchCertificate(files: CertificateFiles, options: WatchOptions): Promise<WatchedCertificate> {
  const { clock = systemClock, pollMs = pollMsDefault, logger } = options;
  const text = await readFiles(files);
  const read = judge(text, clock.wall());
  if (read.kind === 'unusable') throw new CertificateFault(`${files.certFile} with ${files.keyFile}: ${read.fault}`);
  const watched = new WatchedCertificate({ files, clock, pollMs, journal: processJournal(logger, clock), text, pair: read.pair });
  if (read.kind === 'out-of-date') watched.refuse(read.fault);
  watched.watch();
  return watched;
}

type FilesText = { readonly cert: string; readonly key: string } | { readonly unreadable: string };

async function readFiles({ certFile, keyFile }: CertificateFiles): Promise<FilesText> {
  try {
    return { cert: await readNamed(certFile), key: await readNamed(keyFile) };
  } catch (error) {
    return { unreadable: (error as Error).message };
  }
}

async function readNamed(file: string): Promise<string> {
  return readTextFile(file, certificateFileBytesMax).catch((error: unknown) => {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  });
}

function judge(text: FilesText, now: number): PairRead {
  return 'unreadable' in text ? { kind: 'unusable', fault: text.unreadable } : readPair(text, now);
}

function isSame(one: FilesText, other: FilesText): boolean {
  if ('unreadable' in one || 'unreadable' in other)
    return 'unreadable' in one && 'unreadable' in other && one.unreadable === other.unreadable;
  return one.cert === other.cert && one.key === other.key;
}

/** A certificate that is read again whenever its files change. */
export class WatchedCertificate {
  readonly #files: CertificateFiles;
  readonly #clock: Pick<Clock, 'after' | 'wall'>;
  readonly #pollMs: number;
  readonly #journal: ProcessJournal;
  readonly #listeners: (() => void)[] = [];
  #pair: CertificatePair;
  /** The text that was judged last. */
  #judged: FilesText;
  /** The text that the last look found. */
  #seen: FilesText;
  #isValid = true;
  #isClosed = false;
  #stopTimer = (): void => {};
  #loaded = 1;
  #refused = 0;

  constructor(options: {
    readonly files: CertificateFiles;
    readonly clock: Pick<Clock, 'after' | 'wall'>;
    readonly pollMs: number;
    readonly journal: ProcessJournal;
    readonly text: FilesText;
    readonly pair: CertificatePair;
  }) {
    this.#files = options.files;
    this.#clock = options.clock;
    this.#pollMs = options.pollMs;
    this.#journal = options.journal;
    this.#judged = options.text;
    this.#seen = options.text;
    this.#pair = options.pair;
    this.#tell();
  }

  /** The pair in force. */
  get pair(): CertificatePair {
    return this.#pair;
  }

  /** Whether the files' present content is in force, and was good when it was read. */
  get isValid(): boolean {
    return this.#isValid;
  }

  /** Pairs that came into force, and contents that were refused, since the start. */
  get counts(): { readonly loaded: number; readonly refused: number } {
    return { loaded: this.#loaded, refused: this.#refused };
  }

  /** Adds a listener that is called after another pair came into force. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#stopTimer();
  }

  /** Looks again after `pollMs`, one look at a time. */
  watch(): void {
    this.#stopTimer = this.#clock.after(this.#pollMs, () => {
      void this.#look().then(() => {
        if (!this.#isClosed) this.watch();
      });
    });
  }

  /** Counts and logs a content that can't be used, or not any more. */
  refuse(fault: string): void {
    this.#isValid = false;
    this.#refused += 1;
    const { certFile, keyFile } = this.#files;
    this.#journal.write('certificate-refused', { file: certFile, keyFile, reason: fault, endsAt: this.#endsAt });
  }

  get #endsAt(): string {
    return new Date(this.#pair.endsAt).toISOString();
  }

  #tell(): void {
    this.#journal.write('certificate-taken', { file: this.#files.certFile, subject: this.#pair.subject, endsAt: this.#endsAt });
  }

  async #look(): Promise<void> {
    const text = await readFiles(this.#files);
    const isSteady = isSame(text, this.#seen);
    this.#seen = text;
    if (!isSteady || isSame(text, this.#judged) || this.#isClosed) return;
    this.#judged = text;
    const read = judge(text, this.#clock.wall());
    if (read.kind !== 'good') return this.refuse(read.fault);
    this.#isValid = true;
    this.#loaded += 1;
    this.#pair = read.pair;
    this.#tell();
    for (const listener of this.#listeners) listener();
  }
}
