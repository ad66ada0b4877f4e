/** Listeners of typed events. `Events` maps each event's name to the value that its listeners get. */
export class Listeners<Events> {
  readonly #sets: ReadonlyMap<keyof Events, Set<(value: never) => void>>;

  /** `names` are all existing events. */
  constructor(names: readonly (keyof Events)[]) {
    this.#sets = new Map(names.map((name) => [name, new Set()]));
  }

  /**
   * Adds a listener; the returned function removes it.
   * @throws TypeError for an unknown event, or a listener that is no function
   */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const set = this.#sets.get(name);
    if (set === undefined) throw new TypeError(`there is no event ${String(name)}: it is one of ${[...this.#sets.keys()].join(', ')}`);
    if (typeof listener !== 'function')
      throw new TypeError(`a listener is a function, and not ${listener === null ? 'null' : typeof listener}`);
    // Each call has its own wrapper: the same function may listen twice and be removed once.
    const entry = (value: Events[Name]): void => listener(value);
    set.add(entry);
    return () => void set.delete(entry);
  }

  /**
   * Calls every listener. A listener that throws disturbs neither the others nor the caller; its error becomes an
   * uncaught error. Returns whether there was a listener.
   */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): boolean {
    // A copy: a listener that is added meanwhile hears only the next event.
    const listeners = Array.from(this.#sets.get(name) ?? []);
    for (const listener of listeners) {
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }
}
