// The one list of images that gallery and editor go through: which is before and after the open one, and where it is. The server
// knows; here is only the answer for the open image.

import {ApiError, Offline, get, onRevision} from "../net/api.js";
import {Emitter} from "./emitter.js";

/** @import {Neighbours, ToldChange} from "../types.js" */

/** After the dataset has changed, before the list is asked again. */
const SOON = 500;

/** @extends {Emitter<{change: Neighbours | null}>} `change`: of the open image. */
export class ImageList extends Emitter {
  query = new URLSearchParams();
  /** @type {number | null} */
  id = null;
  /** @type {Neighbours | null} Of the open image; `null` until they are known. */
  current = null;
  /** Of the dataset, at the newest answer of any kind, and at the one that `current` is from. */
  #revision = -1;
  #known = -1;
  /** How many questions are under way. */
  #asking = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    super();
    onRevision((revision) => {
      if (revision === this.#revision) return;
      this.#revision = revision;
      clearTimeout(this.#timer);
      // An answer that is still to come tells of its revision too.
      const isNeeded = () => this.id !== null && this.#known !== this.#revision && this.#asking === 0;
      this.#timer = setTimeout(() => isNeeded() && void this.#lookQuietly(), SOON);
    });
  }

  /**
   * An image is open, which was found by `query`; `null`: none is.
   * @param {number | null} id
   * @param {URLSearchParams} query
   */
  open(id, query) {
    const isSame = id === this.id && query.toString() === this.query.toString();
    [this.id, this.query] = [id, query];
    if (isSame && this.current) return;
    this.current = null;
    this.emit("change", null);
    if (id !== null) void this.#lookQuietly();
  }

  /**
   * The id of the image `step` (1 or -1) away from the open one; `null` at an end. Where the server is away, or somebody has deleted
   * the open one, by what was known. Throws what `get` throws.
   * @param {number} step
   * @returns {Promise<number | null>}
   */
  async go(step) {
    if (this.id === null) return null;
    try {
      if (!this.current || this.#known !== this.#revision) await this.#look();
    } catch (error) {
      const isGone = error instanceof ApiError && error.status === 404;
      if (!this.current || !(isGone || error instanceof Offline)) throw error;
    }
    return (step > 0 ? this.current?.next : this.current?.previous) ?? null;
  }

  /** A change of anybody's: one that can't be about this list needs no look at it. @param {ToldChange} change */
  heard({revision, edits, more}) {
    if (revision !== this.#known + 1) return;
    const isFiltered = this.#filters() !== "";
    const isAbout = more || edits.some(({section, op}) => (section === "images" && op !== "update") || (isFiltered && section !== "categories"));
    if (!isAbout) this.#known = revision;
  }

  async #look() {
    const {id, query} = this;
    if (id === null) return;
    const text = this.#filters();
    this.#asking += 1;
    const {body, revision} = await get(`api/images/${id}/neighbours${text && "?"}${text}`).finally(() => { this.#asking -= 1; });
    if (id !== this.id || query !== this.query) return;
    const isOther = JSON.stringify(body) !== JSON.stringify(this.current);
    [this.current, this.#known] = [body, revision];
    if (isOther) this.emit("change", body);
  }

  #filters() {
    const filters = new URLSearchParams(this.query);
    for (const name of ["page", "page_size", "with"]) filters.delete(name);
    return filters.toString();
  }

  async #lookQuietly() {
    // The bar shows no position until the server answers; who goes on is told.
    await this.#look().catch(() => {});
  }
}
