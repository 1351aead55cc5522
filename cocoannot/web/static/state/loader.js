// Reading an image and its annotations, and those of images that are likely to be opened next before they are.

import {get} from "../net/api.js";

/** @import {Answer, ImageRecord, Tagged} from "../types.js" */

/** @typedef {{image: ImageRecord, list: Answer<Tagged[]>}} Loaded */

/** So many are kept, each for so long (milliseconds). */
const MOST = 4;
const FRESH = 60_000;

export class Loader {
  /** @type {Map<number, {asked: number, loaded: Promise<Loaded>}>} */
  #ahead = new Map();

  /**
   * Throws what `get` throws.
   * @param {number} id
   * @returns {Promise<Loaded>}
   */
  load(id) {
    const ahead = this.#ahead.get(id);
    this.#ahead.delete(id);
    if (ahead && Date.now() - ahead.asked < FRESH) return ahead.loaded.catch(() => ask(id));
    return ask(id);
  }

  /** @param {number} id */
  prepare(id) {
    if (this.#ahead.has(id)) return;
    const loaded = ask(id);
    loaded.catch(() => this.#ahead.delete(id));
    this.#ahead.set(id, {asked: Date.now(), loaded});
    for (const old of [...this.#ahead.keys()].slice(0, -MOST)) this.#ahead.delete(old);
  }
}

/**
 * @param {number} id
 * @returns {Promise<Loaded>}
 */
async function ask(id) {
  const [{body: image}, list] = await Promise.all([get(`api/images/${id}`), get(`api/images/${id}/annotations?with=etag`)]);
  return {image, list};
}
