import { keyOf, type KubeObject } from '../runtime/kube-api.ts';

/** A change of one object. `resync` is no change: it asks listeners to look again, in case a change was missed. */
export type Change<T> =
  | { readonly kind: 'added'; readonly key: string; readonly current: T }
  | { readonly kind: 'updated' | 'resync'; readonly key: string; readonly current: T; readonly previous: T }
  | { readonly kind: 'deleted'; readonly key: string; readonly previous: T };

/** The index values of an object. */
export type Index<T> = (object: T) => readonly string[];

/**
 * The objects of one kind as last heard of, by key and by indexes. Callers share the objects and must not change them.
 */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: ReadonlyMap<string, Index<T>>;
  /** Keys by index name and value. */
  readonly #found = new Map<string, Map<string, Set<string>>>();
  readonly #listeners: ((change: Change<T>) => void)[] = [];
  readonly #failed: (error: unknown) => void;
  #heard: string | undefined;

  /** @param failed hears of errors in listeners; the other listeners still run */
  constructor(options: { readonly indexes?: Readonly<Record<string, Index<T>>>; readonly failed: (error: unknown) => void }) {
    this.#indexes = new Map(Object.entries(options.indexes ?? {}));
    this.#failed = options.failed;
    for (const name of this.#indexes.keys()) this.#found.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  /** `resourceVersion` up to which every change is in the store; `undefined` before the first list. */
  get heard(): string | undefined {
    return this.#heard;
  }

  /** Notes that every change up to this version is in the store. */
  hear(version: string): void {
    this.#heard = version;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  all(): readonly T[] {
    return [...this.#objects.values()];
  }

  /**
   * The objects with this index value, in no order.
   * @throws Error where there is no such index
   */
  withIndex(name: string, value: string): readonly T[] {
    const values = this.#found.get(name);
    if (values === undefined) throw new Error(`the store has no index ${name}`);
    return [...(values.get(value) ?? [])].flatMap((key) => this.#objects.get(key) ?? []);
  }

  /** Calls the listener for every later change. A listener notes keys and does nothing else. */
  onChange(listener: (change: Change<T>) => void): void {
    this.#listeners.push(listener);
  }

  set(object: T): void {
    const key = keyOf(object);
    // Another uid is another object: the first one is gone.
    if (this.#objects.get(key)?.metadata.uid !== object.metadata.uid) this.delete(key);
    const previous = this.#objects.get(key);
    if (previous !== undefined) {
      if (isSame(previous, object)) return;
      this.#unfile(key, previous);
    }
    this.#objects.set(key, object);
    this.#file(key, object);
    this.#tell(previous === undefined ? { kind: 'added', key, current: object } : { kind: 'updated', key, current: object, previous });
  }

  delete(key: string): void {
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    this.#unfile(key, previous);
    this.#tell({ kind: 'deleted', key, previous });
  }

  /** Replaces all objects, and tells listeners of the differences. */
  replace(objects: readonly T[]): void {
    const present = new Set(objects.map(keyOf));
    for (const key of this.#objects.keys()) if (!present.has(key)) this.delete(key);
    for (const object of objects) this.set(object);
  }

  /** Calls listeners for every object once more. */
  resync(): void {
    for (const [key, current] of this.#objects) this.#tell({ kind: 'resync', key, current, previous: current });
  }

  #file(key: string, object: T): void {
    for (const [name, index] of this.#indexes) {
      const values = this.#found.get(name);
      for (const value of index(object)) {
        const keys = values?.get(value);
        if (keys === undefined) values?.set(value, new Set([key]));
        else keys.add(key);
      }
    }
  }

  #unfile(key: string, object: T): void {
    for (const [name, index] of this.#indexes) {
      const values = this.#found.get(name);
      for (const value of index(object)) {
        const keys = values?.get(value);
        keys?.delete(key);
        if (keys?.size === 0) values?.delete(value);
      }
    }
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#failed(error);
      }
    }
  }
}

function isSame(one: KubeObject, other: KubeObject): boolean {
  const { uid, resourceVersion } = one.metadata;
  return resourceVersion !== undefined && uid === other.metadata.uid && resourceVersion === other.metadata.resourceVersion;
}
