import type { KubeObject } from '../runtime/kube-api.ts';
import type { Change, Store } from './store.ts';

/**
 * One view of the objects of one kind in several namespaces, each with a store of its own. The namespace `undefined`
 * stands for one store of all namespaces.
 */
export class PartitionedStore<T extends KubeObject> {
  readonly #stores: ReadonlyMap<string | undefined, Store<T>>;

  constructor(stores: ReadonlyMap<string | undefined, Store<T>>) {
    this.#stores = stores;
  }

  /** @param key `namespace/name` */
  get(key: string): T | undefined {
    return this.#of(key)?.get(key);
  }

  /**
   * `resourceVersion` up to which every change of a namespace is known.
   * @param key `namespace/name`
   */
  heard(key: string): string | undefined {
    return this.#of(key)?.heard;
  }

  all(): readonly T[] {
    return [...this.#stores.values()].flatMap((store) => store.all());
  }

  /** @param value of an index whose values begin with the namespace and a slash */
  withIndex(name: string, value: string): readonly T[] {
    return this.#of(value)?.withIndex(name, value) ?? [];
  }

  onChange(listener: (change: Change<T>) => void): void {
    for (const store of this.#stores.values()) store.onChange(listener);
  }

  #of(key: string): Store<T> | undefined {
    return this.#stores.get(undefined) ?? this.#stores.get(key.slice(0, key.indexOf('/')));
  }
}
