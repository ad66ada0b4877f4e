/** Listeners of typed events. `Events` maps each event's name to what its listeners are given. */
export class Listeners<Events> {
  readonly #sets: ReadonlyMap<keyof Events, Set<(value: never) => void>>;

  /** `names` are all the events that there are. */
  constructor(names: readonly (keyof Events)[]) {
    this.#sets = new Map(names.map((name) => [name, new Set()]));
  }

  /**
   * Adds a listener; the function returned removes it. @throws TypeError where there is no such event, or the listener
   * is no function
   */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const set = this.#sets.get(name);
    if (set === undefined) throw new TypeError(`there is no event ${String(name)}: it is one of ${[...this.#sets.keys()].join(', ')}`);
    if (typeof listener !== 'function')
      throw new TypeError(`a listener is a function, and not ${listener === null ? 'null' : typeof listener}`);
    // A wrapper of its own for each call: the same function may listen twice and be removed once.
    const entry = (value: Events[Name]): void => listener(value);
    set.add(entry);
    return () => void set.delete(entry);
  }

  /**
   * Tells every listener. One that throws disturbs neither the others nor the caller: its error goes where uncaught
   * errors go. Returns whether there was one.
   */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): boolean {
    // A copy: who begins to listen meanwhile hears the next.
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
