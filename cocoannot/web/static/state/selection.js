// Which annotations of the open image are selected, and by whom: what was just drawn is selected so that it can be deleted or
// dragged, but a key for a category means the next shape then, and not this one.

/** @import {Key} from "../types.js" */

export class Selection {
  /** @type {Set<Key>} Another object after each change. */
  keys = new Set();
  /** Whether the user has pointed at them. */
  meant = false;

  /**
   * Says whether something is other now.
   * @param {Iterable<Key>} keys
   * @param {"replace" | "add" | "toggle"} how
   */
  select(keys, how) {
    const next = new Set(how === "replace" ? [] : this.keys);
    for (const key of keys) if (how !== "toggle" || !next.delete(key)) next.add(key);
    const wasMeant = this.meant;
    this.meant = next.size > 0;
    return this.#take(next) || wasMeant !== this.meant;
  }

  /** @param {Iterable<Key>} keys */
  selectDrawn(keys) {
    this.meant = false;
    return this.#take(new Set(keys));
  }

  /** @param {(key: Key) => boolean} isThere */
  keepOnly(isThere) {
    const isOther = this.#take(new Set([...this.keys].filter(isThere)));
    this.meant &&= this.keys.size > 0;
    return isOther;
  }

  /** @param {Set<Key>} next */
  #take(next) {
    if (next.size === this.keys.size && [...next].every((key) => this.keys.has(key))) return false;
    this.keys = next;
    return true;
  }
}
