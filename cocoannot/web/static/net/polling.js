// Where streams of events fail: changes are asked for, by requests that wait for one. It gives the same messages as a stream.

/** @import {EventMessage} from "../types.js" */

/** Seconds that a request waits for a change. */
const WAIT = 25;
/** After an empty answer that did not wait, since too many wait already (milliseconds). */
const BUSY = 2500;

/** The server refused, with this status; 0: it answered, and then said nothing. */
export class Refused extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`No events: ${status}`);
    this.status = status;
  }
}

export class Polling {
  /** Of the newest change that was told. */
  revision = 0;
  #wasReset = false;

  /**
   * @param {string} base
   * @param {AbortSignal} signal ends it
   */
  constructor(base, signal) {
    this.base = base;
    this.signal = signal;
  }

  /**
   * `hello`, then each change after revision `since` (`null`: from now on), for so many milliseconds. Throws Refused, and what
   * `fetch` throws.
   * @param {number | null} since
   * @param {number} milliseconds
   * @returns {AsyncGenerator<EventMessage>}
   */
  async *follow(since, milliseconds) {
    const end = Date.now() + milliseconds;
    const [status, present] = await Promise.all([this.#ask("api/status"), this.#present()]);
    const newest = status.revision.memory;
    this.revision = Math.min(since ?? newest, newest);
    yield {event: "hello", id: null, data: {revision: newest, present}};
    // The server has gone back to what it was before: what was told since is not so any more.
    if (since !== null && since > newest) yield {event: "reset", id: null, data: {revision: newest}};
    while (Date.now() < end && !this.signal.aborted) {
      const asked = Date.now();
      const changes = await this.#changes(newest);
      for (const change of changes) {
        this.revision = change.revision;
        yield {event: change.kind === "reset" ? "reset" : "change", id: null, data: change};
      }
      if (!changes.length && Date.now() - asked < 1000) await new Promise((resolve) => setTimeout(resolve, BUSY));
    }
  }

  /**
   * Those after the newest that was told. Where they are not kept, all has to be read again.
   * @param {number} newest at the start
   */
  async #changes(newest) {
    try {
      return await this.#ask(`api/changes?since=${this.revision}&wait=${WAIT}`);
    } catch (error) {
      const isGone = error instanceof Refused && (error.status === 404 || error.status === 410);
      if (!isGone || this.#wasReset) throw error;
      this.#wasReset = true;
      return [{revision: newest, kind: "reset"}];
    }
  }

  async #present() {
    return this.#ask("api/presence").catch(() => []);
  }

  /** @param {string} path */
  async #ask(path) {
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(2 * WAIT * 1000)]);
    const response = await fetch(`${this.base}${path}`, {cache: "no-store", credentials: "same-origin", signal});
    if (!response.ok) throw new Refused(response.status);
    return response.json();
  }
}
