// Telling those who listen. An event has a name and at most one detail.

/** @template {Record<string, any>} Events Names of events and what comes with each. */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => unknown>>} */
  #listeners = new Map();

  /**
   * Calls `listener(detail)` at each event of that name; gives a function that ends this.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => unknown} listener
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} [detail]
   */
  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(detail);
  }

  /** @param {keyof Events} name */
  isHeard(name) {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }
}
