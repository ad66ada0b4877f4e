import type { OperatorJournal } from './log-lines.ts';

/** The part of a reflector that is needed here. */
interface Reading {
  /** Resolves when the store has been filled for the first time. */
  readonly synced: Promise<void>;
  /** Resolves when the API server refuses to let it be read. */
  readonly refused: Promise<void>;
}

interface Partition {
  readonly namespace: string | undefined;
  readonly readings: Reading[];
  state: 'unread' | 'refused' | 'whole';
}

/**
 * Tracks which namespaces have been read whole. A refused namespace (deleted, say, with its Roles) delays no other.
 * Nothing may be concluded from a namespace that was read in part: a missing object may exist.
 */
export class Partitions {
  readonly #partitions: readonly Partition[];
  readonly #journal: OperatorJournal;
  readonly #listeners: (() => void)[] = [];
  readonly #reachedEnough = Promise.withResolvers<void>();

  /** @param namespaces `undefined` for all together */
  constructor(namespaces: readonly (string | undefined)[], journal: OperatorJournal) {
    this.#partitions = namespaces.map((namespace) => ({ namespace, readings: [], state: 'unread' }));
    this.#journal = journal;
  }

  add(namespace: string | undefined, reading: Reading): void {
    this.#partitions.find((partition) => partition.namespace === namespace)?.readings.push(reading);
  }

  /** Follows all readings that were added. */
  follow(): void {
    for (const partition of this.#partitions) {
      for (const { refused } of partition.readings) void refused.then(() => this.#refuse(partition));
      void Promise.all(partition.readings.map(({ synced }) => synced)).then(() => this.#complete(partition));
    }
  }

  /** Resolves when every namespace is read or refused, and at least one is read. With none read nothing is known. */
  get enough(): Promise<void> {
    return this.#reachedEnough.promise;
  }

  get isEnough(): boolean {
    return this.#partitions.every(({ state }) => state !== 'unread') && this.#partitions.some(({ state }) => state === 'whole');
  }

  isWhole(namespace: string): boolean {
    return this.#partitions.some((partition) => partition.state === 'whole' && (partition.namespace ?? namespace) === namespace);
  }

  /** Calls back whenever another namespace was read whole. */
  onWhole(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** The separately watched namespaces, each with whether it is refused. */
  refusals(): readonly { readonly namespace: string; readonly isRefused: boolean }[] {
    return this.#partitions.flatMap(({ namespace, state }) =>
      namespace === undefined ? [] : [{ namespace, isRefused: state === 'refused' }],
    );
  }

  #refuse(partition: Partition): void {
    if (partition.state !== 'unread') return;
    partition.state = 'refused';
    const { namespace } = partition;
    this.#journal.write('namespace-refused', { namespace });
    this.#tellEnough();
  }

  #complete(partition: Partition): void {
    const { namespace, state } = partition;
    partition.state = 'whole';
    if (state === 'refused') this.#journal.write('namespace-read', { namespace });
    for (const listener of this.#listeners) listener();
    this.#tellEnough();
  }

  #tellEnough(): void {
    if (this.isEnough) this.#reachedEnough.resolve();
  }
}
