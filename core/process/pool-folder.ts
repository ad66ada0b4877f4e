import { join } from 'node:path';
import { poolLimits } from '../pool/pool-document.ts';
import { readTextFile } from './bounded-read.ts';
import { processJournal, type ProcessJournal } from './log-lines.ts';
import type { Logger } from './logging.ts';
import type { OfferResult, Pool } from './pool.ts';

const pollMsDefault = 1_000;
/** The document is a JSON string in its envelope: every quote is escaped. */
const envelopeBytesMax = 2 * poolLimits.documentBytesMax;

/** A folder whose pool document is offered to the pool whenever it changes. */
export interface PoolFolder {
  /** Why the folder's document is not in force, in words; `undefined` when it, or a newer one, is in force. */
  fault(): string | undefined;
  close(): void;
}

/**
 * Offers the folder's document and policies to the pool, at once and after each change. It looks every second by
 * reading `pool.json`. File watchers miss a mounted ConfigMap's changes: it is a chain of symbolic links that are
 * exchanged. Document and policies may come from several ConfigMaps that change one after the other. Until they agree,
 * the pool keeps what is in force. A folder without a document does not stop the process: the operator may be late.
 */
export async function watchPoolFolder(
  folder: string,
  pool: Pool,
  { logger, pollMs = pollMsDefault }: { readonly logger: Logger; readonly pollMs?: number },
): Promise<PoolFolder> {
  const watched = new WatchedPoolFolder({ folder, pool, logger, pollMs });
  await watched.look();
  watched.watch();
  return watched;
}

interface WatchedOptions {
  readonly folder: string;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly pollMs: number;
}

class WatchedPoolFolder implements PoolFolder {
  readonly #options: WatchedOptions;
  readonly #journal: ProcessJournal;
  /** The envelope that needs no further look. */
  #settled: string | undefined;
  #fault: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: WatchedOptions) {
    this.#options = options;
    this.#journal = processJournal(options.logger);
  }

  fault(): string | undefined {
    return this.#fault;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Looks again after `pollMs`, one look at a time. */
  watch(): void {
    this.#timer = setTimeout(() => {
      void this.look().then(() => {
        if (!this.#isClosed) this.watch();
      });
    }, this.#options.pollMs).unref();
  }

  async look(): Promise<void> {
    const { folder, pool } = this.#options;
    try {
      const envelope = await readText(join(folder, 'pool.json'), envelopeBytesMax);
      if (envelope === this.#settled) return;
      const policies = await this.#readParts(partsOf(envelope));
      if (!this.#isClosed) this.#settle(envelope, await pool.offer({ envelope, policies }));
    } catch (error) {
      if (!this.#isClosed) this.#blame((error as Error).message);
    }
  }

  async #readParts(count: number): Promise<readonly string[]> {
    const parts: string[] = [];
    for (let index = 0; index < count; index++)
      parts.push(await readText(join(this.#options.folder, `policies-${index}.json`), poolLimits.policyPartBytesMax));
    return parts;
  }

  #settle(envelope: string, result: OfferResult): void {
    const { kind, message } = result;
    if (kind === 'malformed' || kind === 'forged' || kind === 'conflict') this.#blame(message);
    else this.#fault = undefined;
    // A document in another key stays forged: after a new signing key an older pod has it until it is replaced.
    if (kind !== 'malformed' && kind !== 'conflict') this.#settled = envelope;
  }

  /** Logs a fault once for as long as it stays the same. */
  #blame(fault: string): void {
    this.#settled = undefined;
    if (fault === this.#fault) return;
    this.#fault = fault;
    this.#journal.write('pool-folder-refused', { folder: this.#options.folder, reason: fault });
  }
}

/** The number of policy parts in an unverified envelope: a guess, which the pool checks. */
function partsOf(envelope: string): number {
  try {
    const { document } = JSON.parse(envelope) as { document: string };
    const { parts } = (JSON.parse(document) as { policies: { parts: unknown } }).policies;
    return typeof parts === 'number' ? Math.min(parts, poolLimits.policyPartsMax) : 0;
  } catch {
    return 0;
  }
}

/** @throws Error with the fault, naming the file */
async function readText(path: string, bytesMax: number): Promise<string> {
  try {
    return await readTextFile(path, bytesMax);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
