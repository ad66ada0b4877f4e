import { ApiError } from '../runtime/api-error.ts';
import { backoffMs, type BackoffBounds } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { pause } from '../runtime/deadline.ts';
import { keyOf, type KubeObject, type Resource, type Selection } from '../runtime/kube-api.ts';
import { isOlder } from '../runtime/resource-version.ts';
import type { OperatorJournal } from './log-lines.ts';
import type { KubeClient } from './client.ts';
import type { ReflectorFigures } from './reflector-figures.ts';
import { collectionPath } from './resources.ts';
import type { Store } from './store.ts';

export interface ReflectorTimes {
  /** Wait between a failure and the next attempt. */
  readonly backoff: BackoffBounds;
  /**
   * Cap of the back-off while nobody answers at all. An attempt costs an absent server nothing, and its return is
   * noticed soon.
   */
  readonly unreachableCapMs: number;
  /** Requested length of a watch, in seconds. It is drawn anew each time, so that watches do not end together. */
  readonly watchSeconds: { readonly min: number; readonly max: number };
  /** Time limit for a watch to begin, in milliseconds. A server begins one at once. */
  readonly beginMs: number;
  /** Time limit without any event, in milliseconds. Bookmarks come about every minute. */
  readonly quietMs: number;
  /** Milliseconds between two full lists, which find what a watch missed; drawn up to a tenth longer or shorter. */
  readonly relistMs: number;
}

export const defaultReflectorTimes: ReflectorTimes = {
  backoff: { baseMs: 800, capMs: 10_000 },
  unreachableCapMs: 4_000,
  watchSeconds: { min: 300, max: 600 },
  beginMs: 30_000,
  quietMs: 150_000,
  relistMs: 36_000_000,
};

export interface ReflectorOptions<T extends KubeObject> {
  readonly resource: Resource;
  readonly selection: Selection;
  readonly client: KubeClient;
  readonly store: Store<T>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly journal: OperatorJournal;
  readonly times?: ReflectorTimes;
  /** Whether only the metadata of objects is read. Contents then stay in the API server. */
  readonly isMetadataOnly?: boolean;
  /** Objects in one page of a list. */
  readonly pageSize?: number;
  /** Removes the fields that nobody reads. Absent: removes the managed fields. */
  readonly keep?: (object: T) => T;
}

/** An older list than the known state is refused this many times. Then it counts: somebody restored a backup. */
const staleListsMax = 5;

interface Page {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly KubeObject[];
}

interface WatchEvent {
  readonly type: string;
  readonly object: KubeObject & { readonly code?: number; readonly message?: string; readonly reason?: string };
}

/**
 * Keeps a store equal to the API server's objects.
 *
 * 1. List all objects, in pages, and remember the version of the list.
 * 2. Watch from that version, and remember the version of each event and bookmark.
 * 3. Resume a watch that ended or failed from the remembered version. If that version is too old (410), begin at 1.
 *
 * Only the signal ends it. Failures in a row wait longer each time; a watch with an event resets the wait.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #times: ReflectorTimes;
  /** Version from which the next watch begins; `undefined`: list first. */
  #version: string | undefined;
  /** Latest version that was ever seen. */
  #latest: string | undefined;
  #relistAt = 0;
  #heardAt: number;
  #isSynced = false;
  #failuresInARow = 0;
  #failure: unknown;
  #staleLists = 0;
  #lists = 0;
  #watches = 0;
  #failures = 0;
  readonly #reachedSync = Promise.withResolvers<void>();
  readonly #wasRefused = Promise.withResolvers<void>();
  readonly #wasMissing = Promise.withResolvers<void>();

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#times = options.times ?? defaultReflectorTimes;
    this.#heardAt = options.clock.monotonic();
  }

  /** Resolves when the store has been filled for the first time. */
  get synced(): Promise<void> {
    return this.#reachedSync.promise;
  }

  /** Resolves when the API server answers the first list with `Forbidden`. The list is tried again even so. */
  get refused(): Promise<void> {
    return this.#wasRefused.promise;
  }

  /** Resolves when the cluster lacks the kind, or the operator may not list it. The list is tried again even so. */
  get unreadable(): Promise<void> {
    return Promise.race([this.#wasMissing.promise, this.#wasRefused.promise]);
  }

  /** Why the store has not been filled yet, in words; `undefined` once it has. */
  get waitingFor(): string | undefined {
    if (this.#isSynced) return undefined;
    const { resource } = this.#options;
    return this.#failure instanceof Error ? this.#failure.message : `${resource.plural} to be listed`;
  }

  figures(): ReflectorFigures {
    return {
      objects: this.#options.store.size,
      ageMs: this.#options.clock.monotonic() - this.#heardAt,
      isSynced: this.#isSynced,
      lists: this.#lists,
      watches: this.#watches,
      failures: this.#failures,
    };
  }

  /** Runs until the signal. Resolves when no request is under way any more. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined || this.#options.clock.monotonic() >= this.#relistAt) await this.#list(signal);
        if (signal.aborted) return;
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#failed(error, signal);
      }
    }
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const { resource, clock, random, journal, client } = this.#options;
    if (error instanceof ApiError && error.isExpired) this.#version = undefined;
    const { backoff, unreachableCapMs } = this.#times;
    const isUnreachable = isUnanswered(error);
    // A server that has just come back may refuse for a moment. That wait must not be as long as the wait for its
    // return.
    if (!isUnreachable && isUnanswered(this.#failure)) this.#failuresInARow = Math.min(1, this.#failuresInARow);
    const earlier = this.#failuresInARow;
    const isRefused = isForbidden(error);
    // A refusal lasts until a person mends it: one warning is enough.
    const isMissing = error instanceof ApiError && error.status === 404 && !this.#isSynced;
    const isKnown = isMissing || (isRefused && isForbidden(this.#failure) && earlier > 0);
    if (isMissing) this.#wasMissing.resolve();
    if (isRefused && !this.#isSynced) this.#wasRefused.resolve();
    this.#failure = error;
    this.#failures += 1;
    this.#failuresInARow += 1;
    // The first failure after good times is usually a cut connection. The retry comes soon, but not from all watchers
    // at once.
    const floorMs = earlier === 0 ? 0 : backoff.baseMs;
    const ownMs = backoffMs(earlier, { ...backoff, floorMs, capMs: isUnreachable ? unreachableCapMs : backoff.capMs }, random);
    const delayMs = Math.max(ownMs, error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0);
    const { namespace } = this.#options.selection;
    const failures = this.#failuresInARow;
    const fields = { kind: resource.kind, namespace, failures, delayMs: Math.round(delayMs) };
    if (!isKnown) journal.writeTrouble('watch-failed', `${resource.kind} ${namespace ?? ''}`, error, fields);
    const isServersFault = error instanceof ApiError && (isUnreachable || error.status >= 500) && error.retryAfterMs === undefined;
    await (isServersFault ? client.reachability.pause(delayMs, signal) : pause(clock, delayMs, signal));
  }

  /** @throws ApiError also where the list is older than the known state */
  async #list(signal: AbortSignal): Promise<void> {
    const { resource, store, clock, random } = this.#options;
    this.#lists += 1;
    const { objects, version } = await this.#readPages(signal);
    if (signal.aborted) return;
    if (isOlder(version, this.#latest) && this.#staleLists < staleListsMax) {
      this.#staleLists += 1;
      throw new ApiError(`the list of ${resource.plural} is older than the known state`, { status: 0, reason: 'StaleList' });
    }
    this.#staleLists = 0;
    this.#heard(version);
    this.#latest = version;
    store.replace(objects);
    if (this.#isSynced) store.resync();
    this.#relistAt = clock.monotonic() + this.#times.relistMs * (0.9 + 0.2 * random());
    this.#isSynced = true;
    this.#reachedSync.resolve();
  }

  async #readPages(signal: AbortSignal): Promise<{ readonly objects: readonly T[]; readonly version: string }> {
    const { client, resource, pageSize = 500 } = this.#options;
    const objects: T[] = [];
    let next = '';
    for (;;) {
      const query = this.#query({ limit: String(pageSize), ...(next === '' ? {} : { continue: next }) });
      const page = (await client.request({ verb: 'list', path: query, accept: this.#accept('PartialObjectMetadataList'), signal })) as Page;
      // List items carry no `apiVersion` and no `kind`.
      for (const item of page.items ?? []) objects.push(this.#kept({ ...item, apiVersion: resource.apiVersion, kind: resource.kind } as T));
      next = page.metadata?.continue ?? '';
      if (next !== '') continue;
      const version = page.metadata?.resourceVersion;
      if (version === undefined) throw new ApiError(`the list of ${resource.plural} has no version`, { status: 0, reason: 'Unreadable' });
      return { objects, version };
    }
  }

  /**
   * Resolves when the server ends the watch as agreed.
   * @throws ApiError
   */
  async #watch(signal: AbortSignal): Promise<void> {
    const { client, clock, random } = this.#options;
    const { min, max } = this.#times.watchSeconds;
    const path = this.#query({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version ?? '',
      timeoutSeconds: String(Math.round(min + random() * (max - min))),
    });
    this.#watches += 1;
    const over = new AbortController();
    const follow = (): void => over.abort(signal.reason);
    signal.addEventListener('abort', follow, { once: true });
    const startedAt = clock.monotonic();
    let heardAt = startedAt;
    let callOffQuiet = (): void => {};
    const giveUpAfter = (ms: number): void => {
      callOffQuiet();
      callOffQuiet = clock.after(ms, () => over.abort(new Error(`nothing was heard for ${ms} ms`)));
    };
    giveUpAfter(this.#times.beginMs);
    const alive = (): void => {
      heardAt = clock.monotonic();
      giveUpAfter(this.#times.quietMs);
    };
    // An outage may have cut this connection silently; it then looks like a quiet one.
    const callOffReturn = client.reachability.onReturn((since) => {
      if (heardAt < since) over.abort(new Error('nothing was heard since the API server was away'));
    });
    let told = 0;
    try {
      for await (const event of client.watch(path, over.signal, alive, this.#accept('PartialObjectMetadata'))) {
        if (signal.aborted) return;
        this.#apply(event as WatchEvent);
        told += 1;
        this.#failuresInARow = 0;
      }
    } finally {
      callOffQuiet();
      callOffReturn();
      signal.removeEventListener('abort', follow);
      // Ends the request where the server has not ended it.
      over.abort();
    }
    // A server that ends each watch at once must not cause a hot loop.
    if (told === 0 && clock.monotonic() - startedAt < 1000)
      throw new ApiError('the watch ended at once', { status: 0, reason: 'WatchEnded' });
    this.#failuresInARow = 0;
  }

  /** @throws ApiError for an ERROR event, which ends the watch */
  #apply({ type, object }: WatchEvent): void {
    const { store } = this.#options;
    if (type === 'ERROR')
      throw new ApiError(`the watch ended: ${object.message ?? 'no reason given'}`, {
        status: object.code ?? 0,
        reason: object.reason ?? 'WatchError',
      });
    if (type === 'ADDED' || type === 'MODIFIED') store.set(this.#kept(object as KubeObject as T));
    else if (type === 'DELETED') store.delete(keyOf(object));
    this.#heard(object.metadata.resourceVersion);
  }

  #heard(version: string | undefined): void {
    if (version === undefined) return;
    this.#heardAt = this.#options.clock.monotonic();
    this.#version = version;
    this.#latest = version;
    this.#options.store.hear(version);
  }

  #kept(object: T): T {
    return (this.#options.keep ?? withoutManagedFields)(object);
  }

  #accept(kind: string): string | undefined {
    return this.#options.isMetadataOnly === true ? `application/json;as=${kind};g=meta.k8s.io;v=v1` : undefined;
  }

  #query(parameters: Readonly<Record<string, string>>): string {
    const { resource, selection } = this.#options;
    const { labelSelector, fieldSelector } = selection;
    const query = new URLSearchParams({
      ...parameters,
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    });
    return `${collectionPath(resource, selection.namespace)}?${query.toString()}`;
  }
}

function isUnanswered(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'Unreachable';
}

function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403;
}

/** Managed fields are most of a small object, and only the API server needs them. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata as KubeObject['metadata'] & { readonly managedFields?: unknown };
  return { ...object, metadata };
}
