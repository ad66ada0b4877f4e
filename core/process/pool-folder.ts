import { join } from 'node:path';
import { poolLimits } from '../pool/pool-document.ts';
import { readTextFile } from './bounded-read.ts';
import type { Logger } from './logging.ts';
import type { OfferResult, Pool } from './pool.ts';

const pollMsDefault = 1_000;
/** The document as a JSON string in its envelope: every quote is escaped. */
const envelopeBytesMax = 2 * poolLimits.documentBytesMax;

/** A folder whose pool document is offered to the pool again when it changes. */
export interface PoolFolder {
  /** Why what lies there now is not in force, in words; `undefined` where it is, or where something newer is. */
  fault(): string | undefined;
  close(): void;
}

/**
 * Offers what lies in the folder to the pool: at once, and when it changed. It looks every second by reading
 * `pool.json`, since a mounted ConfigMap is a chain of symbolic links that are exchanged, which file watchers miss.
 * Document and policies may come from several ConfigMaps that change one after the other: until they agree, what was in
 * force stays. A folder without a document is no reason to stop: the operator may be late.
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
  /** The envelope that needs no other look. */
  #settled: string | undefined;
  #fault: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: WatchedOptions) {
    this.#options = options;
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
    if (result.kind === 'malformed' || result.kind === 'forged' || result.kind === 'conflict') return this.#blame(result.message);
    this.#settled = envelope;
    this.#fault = undefined;
  }

  /** Told once for as long as it is the same. */
  #blame(fault: string): void {
    this.#settled = undefined;
    if (fault === this.#fault) return;
    this.#fault = fault;
    this.#options.logger.error({ folder: this.#options.folder, fault }, "the pool folder can't be used, what was in force stays");
  }
}

/** How many policy parts an envelope speaks of, before it is verified: a guess, which the pool checks. */
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
