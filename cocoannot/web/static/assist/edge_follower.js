// Asking the worker that follows edges. Of questions that are passing, such as those of a pointer that moves, only the newest waits;
// all others are answered in order. Where there are no workers, as under node, lines are straight.

/** @import {ImageRecord, Point} from "../types.js" */
/** @import {EdgeAnswer, EdgeQuestion} from "./types.js" */

/** @typedef {{question: Partial<EdgeQuestion>, isPassing: boolean, resolve: (answer: EdgeAnswer | null) => void, reject: (error: Error) => void}} Asked */

export class EdgeFollower {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Asked[]} The first one is at the worker. */
  #asked = [];
  #number = 0;

  /** The picture is likely to be asked about. @param {ImageRecord} image */
  prepare(image) {
    if (typeof Worker === "function") void this.#ask(placeOf(image), true).catch(() => {});
  }

  /**
   * The edge near `to`, and the way there from `from`; `null` where a passing question was overtaken by another one. Rejects with an
   * error that says why the picture can't be read.
   * @param {ImageRecord} image
   * @param {{from: Point | null, to: Point, reach: number}} points
   * @param {{isPassing?: boolean}} [how]
   * @returns {Promise<EdgeAnswer | null>}
   */
  async follow(image, {from, to, reach}, {isPassing = false} = {}) {
    if (typeof Worker !== "function") return {at: to, way: from ? [from, to] : [to]};
    return this.#ask({...placeOf(image), from, to, reach}, isPassing);
  }

  /**
   * @param {Partial<EdgeQuestion>} question
   * @param {boolean} isPassing
   * @returns {Promise<EdgeAnswer | null>}
   */
  #ask(question, isPassing) {
    const overtaken = this.#asked.findIndex((each, i) => i > 0 && each.isPassing);
    if (overtaken > 0) this.#asked.splice(overtaken, 1)[0].resolve(null);
    return new Promise((resolve, reject) => {
      this.#asked.push({question, isPassing, resolve, reject});
      if (this.#asked.length === 1) this.#post();
    });
  }

  #post() {
    this.#worker ??= this.#start();
    this.#worker.postMessage({number: (this.#number += 1), question: this.#asked[0].question});
  }

  #start() {
    const worker = new Worker(new URL("./edges_worker.js", import.meta.url), {type: "module"});
    worker.onmessage = ({data}) => data.number === this.#number && this.#settle(data);
    // It could not be loaded, or has no memory left: the next question gets another one.
    worker.onerror = () => {
      worker.terminate();
      this.#worker = null;
      this.#settle({error: "the browser can't work it out"});
    };
    return worker;
  }

  /** @param {{answer?: EdgeAnswer, error?: string}} told */
  #settle({answer, error}) {
    const asked = this.#asked.shift();
    if (error === undefined) asked?.resolve(answer ?? null);
    else asked?.reject(new Error(error));
    if (this.#asked.length) this.#post();
  }
}

/** @param {ImageRecord} image */
function placeOf({id, width, height}) {
  const url = new URL(`api/images/${id}/file`, document.baseURI).href;
  return {url, frame: width > 0 && height > 0 ? {width, height} : null};
}
