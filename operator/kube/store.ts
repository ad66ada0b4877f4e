import { keyOf, type KubeObject } from '../runtime/kube-api.ts';

/** What became different about one object. A `resync` is none: it says look again, in case something was missed. */
export type Change<T> =
  | { readonly kind: 'added'; readonly key: string; readonly current: T }
  | { readonly kind: 'updated' | 'resync'; readonly key: string; readonly current: T; readonly previous: T }
  | { readonly kind: 'deleted'; readonly key: string; readonly previous: T };

/** The values under which an object is to be found. */
export type Index<T> = (object: T) => readonly string[];

/** The objects of one kind as last heard of, by key and by indexes. They are shared: nobody may change one. */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: ReadonlyMap<string, Index<T>>;
  /** For each index and value the keys that have it. */
  readonly #found = new Map<string, Map<string, Set<string>>>();
  readonly #listeners: ((change: Change<T>) => void)[] = [];
  readonly #failed: (error: unknown) => void;

  /** @param failed is told of listeners that throw, which changes nothing for the others */
  constructor(options: { readonly indexes?: Readonly<Record<string, Index<T>>>; readonly failed: (error: unknown) => void }) {
    this.#indexes = new Map(Object.entries(options.indexes ?? {}));
    this.#failed = options.failed;
    for (const name of this.#indexes.keys()) this.#found.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  all(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** The objects with this value, in no order. @throws Error where there is no such index */
  withIndex(name: string, value: string): readonly T[] {
    const values = this.#found.get(name);
    if (values === undefined) throw new Error(`the store has no index ${name}`);
    return [...(values.get(value) ?? [])].flatMap((key) => this.#objects.get(key) ?? []);
  }

  /** Tells every later change. Listeners note keys and do nothing else. */
  onChange(listener: (change: Change<T>) => void): void {
    this.#listeners.push(listener);
  }

  set(object: T): void {
    const key = keyOf(object);
    // An object of the same name that was made anew is another one: the first is gone.
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

  /** These are all there are: what differs is told. */
  replace(objects: readonly T[]): void {
    const present = new Set(objects.map(keyOf));
    for (const key of this.#objects.keys()) if (!present.has(key)) this.delete(key);
    for (const object of objects) this.set(object);
  }

  /** Tells every object once more. */
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
