// Pictures on their way to the server: one after the other, in the order of their names, kept while the server is away. So their
// records are in that order, too.
//
//   waiting --sent--> added
//      ^        |
//      |        +--no answer: a pause that grows, then the same again with the same key, so that it is added once
//      +--refused: its reason is kept for the user, and the next one goes out

import {ApiError, isForNow, messageOf, newKey, Offline} from "../net/api.js";
import {Emitter} from "./emitter.js";

/** @import {Answer} from "../types.js" */

/** So often a connection may break while the server answers others; it is the picture then. */
const MOST_BREAKS = 4;

/**
 * `send(path, options)` sends a picture; `reach()` is done when the server answers anything, and throws where it does not.
 * @typedef {{method: "POST" | "PUT", body: FormData | Blob, key: string, bytes: number, signal: AbortSignal}} Options
 * @typedef {{send: (path: string, options: Options) => Promise<Answer<any>>, reach: () => Promise<unknown>, shortest?: number, longest?: number}} Ways
 */

/** @extends {Emitter<{change: undefined, end: undefined}>} `change`: how far it is; `end`: nothing waits any more. */
export class Uploads extends Emitter {
  /** How many were given since nothing waited, and how many of them are there now. */
  total = 0;
  added = 0;
  /** @type {{name: string, reason: string}[]} */
  refused = [];
  /** @type {string | null} Why what waits can't be sent now. */
  reason = null;
  /** @type {File[]} */
  #waiting = [];
  #isSending = false;
  #stopping = new AbortController();
  /** @type {Set<() => void>} */
  #wakes = new Set();

  /** @param {Ways} ways */
  constructor({send, reach, shortest = 1000, longest = 5000}) {
    super();
    this.send = send;
    this.reach = reach;
    this.shortest = shortest;
    this.longest = longest;
  }

  /** How many are not there yet and not refused. */
  get pending() {
    return this.#waiting.length + Number(this.#isSending);
  }

  get done() {
    return this.added + this.refused.length;
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const more = [...files].sort((one, other) => one.name.localeCompare(other.name, "en", {numeric: true}));
    if (!more.length) return;
    if (!this.pending) this.clear();
    this.total += more.length;
    this.#waiting.push(...more);
    if (!this.#isSending) void this.#work();
    this.emit("change");
  }

  /** Forget what was done. */
  clear() {
    [this.total, this.added, this.refused, this.reason] = [0, 0, [], null];
    this.emit("change");
  }

  /** Send nothing more; what was added stays. */
  stop() {
    this.total -= this.pending;
    this.#waiting = [];
    this.#stopping.abort();
    this.#stopping = new AbortController();
    this.wake();
  }

  /** Try again at once: the server is back. */
  wake() {
    for (const wake of this.#wakes) wake();
  }

  async #work() {
    this.#isSending = true;
    for (let file = this.#waiting.shift(); file; file = this.#waiting.shift()) {
      const {signal} = this.#stopping;
      const reason = await this.#deliver(file, signal);
      if (signal.aborted) continue;
      if (reason === null) this.added += 1;
      else this.refused.push({name: file.name, reason});
      this.emit("change");
    }
    this.#isSending = false;
    this.emit("change");
    this.emit("end");
  }

  /**
   * Send it until there is an answer; gives why it was refused, `null` where it is there now.
   * @param {File} file
   * @param {AbortSignal} signal
   */
  async #deliver(file, signal) {
    const key = newKey();
    let [pause, breaks] = [this.shortest, 0];
    while (!signal.aborted) {
      try {
        await this.#send(file, key, signal);
        this.#tell(null);
        return null;
      } catch (error) {
        if (signal.aborted) break;
        if (!isForNow(error)) return reasonOf(error);
        if (!(await isReadable(file))) return "can't be read any more; choose it again";
        if (error instanceof Offline && (await this.#isThere()) && (breaks += 1) >= MOST_BREAKS)
          return "the connection broke each time; it may be too large for the server, or for a proxy before it";
        this.#tell(messageOf(error));
        await this.#pause(pause);
        pause = Math.min(this.longest, 2 * pause);
      }
    }
    return null;
  }

  /**
   * @param {File} file
   * @param {string} key
   * @param {AbortSignal} signal
   */
  async #send(file, key, signal) {
    const form = new FormData();
    form.append("file", file, file.name);
    const options = {key, bytes: file.size, signal};
    try {
      await this.send("api/images", {method: "POST", body: form, ...options});
    } catch (error) {
      if (!(error instanceof ApiError) || error.errors.has_picture !== false) throw error;
      // There is a record of this name that waits for its picture.
      await this.send(`api/images/${error.errors.image_id}/file`, {method: "PUT", body: file, ...options});
    }
  }

  async #isThere() {
    try {
      await this.reach();
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string | null} reason */
  #tell(reason) {
    if (this.reason === reason) return;
    this.reason = reason;
    this.emit("change");
  }

  /** @param {number} milliseconds */
  async #pause(milliseconds) {
    /** @type {() => void} */
    let wake = () => {};
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      wake = resolve;
      this.#wakes.add(wake);
      setTimeout(resolve, milliseconds);
    });
    this.#wakes.delete(wake);
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  if (error instanceof ApiError && error.errors.same === true) return "this very picture is there already";
  if (error instanceof ApiError && error.status === 413) return "is larger than the server takes";
  return messageOf(error);
}

/** Whether a file that was chosen is still there. @param {File} file */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
