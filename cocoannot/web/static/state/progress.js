// How far the team is: how many images have which status. Asked for while somebody looks at it, and again some time after changes.

import {get} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {FINISHED} from "./statuses.js";

/** @import {ImageStatus, ToldChange} from "../types.js" */

/** After a change, before it is counted anew: the server counts all records (milliseconds). */
const GATHER = 1500;

/** @extends {Emitter<{change: undefined}>} */
export class Progress extends Emitter {
  /** @type {Partial<Record<ImageStatus, number>> | null} `null` until it is known. */
  counts = null;
  /** What `counts` are of. */
  #revision = -1;
  #isSeen = false;
  #isStale = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  get total() {
    return Object.values(this.counts ?? {}).reduce((sum, count) => sum + count, 0);
  }

  get finished() {
    return FINISHED.reduce((sum, status) => sum + (this.counts?.[status] ?? 0), 0);
  }

  /** @param {boolean} seen Whether somebody looks at it. */
  setSeen(seen) {
    this.#isSeen = seen;
    if (seen && this.#isStale) void this.#load();
  }

  /** A change of anybody's. @param {ToldChange} change */
  heard({edits, more}) {
    if (more || edits.some(({section}) => section === "images")) this.stale();
  }

  /** Changes are told from `revision` on: those before it were not. @param {number} revision */
  toldFrom(revision) {
    if (this.counts && this.#revision < revision) this.stale();
  }

  /** It may be other than it is known. */
  stale() {
    this.#isStale = true;
    if (this.#isSeen) this.#timer ??= setTimeout(() => void this.#load(), GATHER);
  }

  async #load() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isStale = false;
    // What is known stays until it can be read.
    const answer = await get("api/stats").catch(() => null);
    if (!answer) return void (this.#isStale = true);
    this.counts = Object.fromEntries(answer.body.statuses.map(({status, images}) => [status, images]));
    this.#revision = answer.revision;
    this.emit("change");
  }
}
