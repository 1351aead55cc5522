// Changes on their way to the server: in order, one at a time, kept while it is away.
//
//   waiting --sent--> answered
//      ^        |
//      |        +--no answer: a pause that grows, then the same again with the same key, so that it is made once
//      +--refused, and whoever asked has another request

import {isForNow, messageOf, newKey, send} from "../net/api.js";
import {Emitter} from "./emitter.js";

/** @import {Answer, Request} from "../types.js" */

/**
 * A change. `make` gives the request when its turn has come, when everything before it is answered; `null` where there is nothing
 * to do any more. `answered` is done before the next one's turn. `refused` says whether to `make` another request, for another
 * try; `false`: that is the end of it. All three may throw what `send` throws: they are tried again as that is.
 * @template T
 * @typedef {object} Job
 * @property {() => Request | null | Promise<Request | null>} make
 * @property {(answer: Answer<any>) => T} answered
 * @property {(error: unknown) => boolean | Promise<boolean>} [refused]
 */

/** @typedef {Job<any> & {key: string, request?: Request, resolve: (result: any) => void, reject: (error: unknown) => void}} Waiting */

/** @extends {Emitter<{change: undefined}>} `change`: how many wait, or whether the server is away, is another. */
export class Queue extends Emitter {
  /** @type {Waiting[]} */
  #waiting = [];
  #running = false;
  /** @type {(() => void) | null} */
  #wake = null;
  /** @type {string | null} Why what waits can't be sent now. */
  reason = null;

  /**
   * @param {{send?: (request: Request, key: string) => Promise<Answer<any>>, shortest?: number, longest?: number}} [options] Pauses
   * in milliseconds.
   */
  constructor({send: sendRequest = send, shortest = 500, longest = 15_000} = {}) {
    super();
    this.send = sendRequest;
    this.shortest = shortest;
    this.longest = longest;
    this.pause = shortest;
  }

  /** How many wait for an answer. */
  get pending() {
    return this.#waiting.length;
  }

  get away() {
    return this.reason !== null;
  }

  /**
   * Gives what `answered` gives, `null` where nothing was done; throws what the server said where it refused for good.
   * @template T
   * @param {Job<T>} job
   * @returns {Promise<T | null>}
   */
  push(job) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({...job, key: newKey(), resolve, reject});
      this.emit("change");
      void this.#run();
    });
  }

  /** The server may be there again: try now. */
  wake() {
    this.pause = this.shortest;
    this.#wake?.();
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    while (this.#waiting.length) {
      const job = this.#waiting[0];
      const end = await this.#attempt(job);
      if (!end) continue;
      this.#waiting.shift();
      end();
      this.emit("change");
    }
    this.#running = false;
  }

  /**
   * What ends the job, `null` where it is to be tried again.
   * @param {Waiting} job
   * @returns {Promise<(() => void) | null>}
   */
  async #attempt(job) {
    try {
      return await this.#try(job);
    } catch (error) {
      if (!isForNow(error)) return () => job.reject(error);
      await this.#rest(messageOf(error));
      return null;
    }
  }

  /** @param {Waiting} job */
  async #try(job) {
    job.request ??= (await job.make()) ?? undefined;
    if (!job.request) return () => job.resolve(null);
    let answer;
    try {
      answer = await this.send(job.request, job.key);
    } catch (error) {
      if (isForNow(error) || !job.refused) throw error;
      const again = await job.refused(error);
      this.#say(null);
      if (!again) return () => job.resolve(null);
      [job.request, job.key] = [undefined, newKey()];
      return null;
    }
    this.#say(null);
    const result = job.answered(answer);
    return () => job.resolve(result);
  }

  /** @param {string} reason */
  async #rest(reason) {
    this.#say(reason);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, this.pause);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.#wake = null;
    this.pause = Math.min(this.longest, this.pause * 2);
  }

  /** @param {string | null} reason */
  #say(reason) {
    if (reason === null) this.pause = this.shortest;
    if (reason === this.reason) return;
    this.reason = reason;
    this.emit("change");
  }
}
