/** Listeners of typed events. `Events` maps each event's name to what its listeners are given. */
export class Listeners<Events> {
  readonly #sets = new Map<keyof Events, Set<(value: never) => void>>();

  /** Adds a listener; the function returned removes it. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    // A wrapper of its own for each call: the same function may listen twice and be removed once.
    const entry = (value: Events[Name]): void => listener(value);
    const set = this.#sets.get(name) ?? new Set();
    this.#sets.set(name, set.add(entry));
    return () => void set.delete(entry);
  }

  /** Tells every listener. One that throws disturbs neither the others nor the caller: its error goes where uncaught errors go. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    // A copy: who begins to listen meanwhile hears the next.
    for (const listener of Array.from(this.#sets.get(name) ?? [])) {
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
