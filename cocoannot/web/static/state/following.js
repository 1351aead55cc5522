// What comes by the stream of events, for the page: each change once, in order, and none while the page is hidden: then they wait, and
// cost nothing. What a change means is known by those who listen.

import {tellRevision} from "../net/api.js";
import {Emitter} from "./emitter.js";

/** @import {Events} from "../net/events.js" */
/** @import {ToldChange} from "../types.js" */

/** So many wait; where there are more, all is read again. */
const MOST = 500;

/**
 * `change`: of anybody's, this page's own too. `reset`: what is shown is to be read again. `saved`: the file or S3 is newer. `away`
 * and `back`: of the stream. `hello`: changes are told from this revision on.
 * @extends {Emitter<{change: ToldChange, hello: number, reset: undefined, saved: undefined, back: undefined, away: undefined, out: undefined}>}
 */
export class Following extends Emitter {
  /** @type {ToldChange[]} */
  #waiting = [];
  #missed = false;
  #hidden = false;
  /** Whether all changes come by themselves. */
  isLive = false;

  /** @param {Pick<Events, "on">} events */
  constructor(events) {
    super();
    events.on("change", (change) => this.#take(change));
    events.on("reset", () => {
      this.#missed = true;
      this.#tell();
    });
    events.on("saved", () => this.#hidden || this.emit("saved"));
    events.on("restart", () => this.#hidden || this.emit("saved"));
    events.on("hello", ({revision}) => {
      if (!this.#hidden) tellRevision(revision);
      this.emit("hello", revision);
    });
    events.on("state", ({state}) => this.#become(state));
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    this.#hidden = hidden;
    this.#tell();
  }

  /** @param {string} state */
  #become(state) {
    const wasLive = this.isLive;
    this.isLive = state === "following";
    if (state === "out") this.emit("out");
    if (this.isLive !== wasLive) this.emit(this.isLive ? "back" : "away");
  }

  /** @param {ToldChange} change */
  #take(change) {
    this.#waiting.push(change);
    if (this.#waiting.length > MOST) this.#missed = true;
    this.#tell();
  }

  #tell() {
    if (this.#missed) this.#waiting = [];
    if (this.#hidden) return;
    const [changes, missed] = [this.#waiting, this.#missed];
    [this.#waiting, this.#missed] = [[], false];
    for (const change of changes) {
      this.emit("change", change);
      tellRevision(change.revision);
    }
    if (missed) this.emit("reset");
  }
}
