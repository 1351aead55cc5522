// The categories: all views know them from here. Changes go through the queue, as all do, and can be undone.

import {get, messageOf, onRevision} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {skeletonOf, spoken} from "./skeleton.js";

/** @import {Category, Request} from "../types.js" */
/** @import {Changes} from "./changes.js" */
/** @import {Preferences} from "./preferences.js" */

const RECENT = 12;
const KEYS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
/** After a change of the dataset, when no other follows at once: counts are others then. */
const SOON = 700;
/** Where others follow all the time. */
const LATEST = 3000;

/** @extends {Emitter<{change: undefined}>} */
export class Categories extends Emitter {
  /** @type {Map<number, Category>} */
  #known = new Map();
  /** @type {number[]} Chosen last comes first. */
  recent = [];
  #changes;
  #preferences;
  /** @type {Map<number | null, number> | null} The keys of categories, until something about them changes. */
  #keys = null;
  #revision = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {number | null} Since when they are to be loaded. */
  #since = null;

  /**
   * @param {Changes} changes
   * @param {Preferences} preferences Which ones the keys 1 to 9 choose.
   */
  constructor(changes, preferences) {
    super();
    this.#changes = changes;
    this.#preferences = preferences;
    changes.on("undone", ({edits}) => edits.some(({section}) => section === "categories") && this.#loadQuietly());
    preferences.on("change", (name) => name === "pinned" && this.#tell());
    onRevision((revision) => {
      if (revision !== this.#revision && this.#revision >= 0) this.loadSoon();
      this.#revision = revision;
    });
  }

  /** In the file's order. */
  all() {
    return [...this.#known.values()];
  }

  /** @param {number} id */
  get(id) {
    return this.#known.get(id) ?? null;
  }

  /** @param {number | null | undefined} id */
  nameOf(id) {
    if (id === undefined || id === null) return "no category";
    const category = this.#known.get(id);
    return category ? String(category.name) : `category ${id}`;
  }

  /**
   * The names of a category's keypoints as people read them, in their order; none where it has none.
   * @param {number | null} id
   * @returns {string[]}
   */
  keypointsOf(id) {
    const category = id === null ? undefined : this.#known.get(id);
    return category ? skeletonOf(category).names.map(spoken) : [];
  }

  /** Throws what `get` throws. */
  async load() {
    clearTimeout(this.#timer);
    this.#since = null;
    const {body} = await get("api/categories?with=annotation_count");
    const before = JSON.stringify(this.all());
    this.#known = new Map(body.map((category) => [category.id, category]));
    if (before !== JSON.stringify(body)) this.#tell();
  }

  loadSoon() {
    const now = Date.now();
    this.#since ??= now;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#loadQuietly(), Math.min(SOON, Math.max(0, this.#since + LATEST - now)));
  }

  /**
   * The new one; nothing else is changed by it. Throws ApiError, such as for a name that is there already.
   * @param {string} name
   * @returns {Promise<Category>}
   */
  async add(name) {
    const body = await this.#change({method: "POST", path: "api/categories", body: {name}});
    await this.#loadQuietly();
    return body;
  }

  /**
   * @param {number} id
   * @param {Record<string, unknown>} changes Fields that are other; `null` takes one away.
   */
  async update(id, changes) {
    await this.#change({method: "PATCH", path: `api/categories/${id}`, body: changes});
    await this.#loadQuietly();
  }

  /** @param {number} id Of one that no annotation has. */
  async remove(id) {
    await this.#change({method: "DELETE", path: `api/categories/${id}`});
    await this.#loadQuietly();
  }

  /**
   * Delete one after its annotations have got another, as one change.
   * @param {number} id
   * @param {number} other
   */
  async reassign(id, other) {
    await this.#change({method: "DELETE", path: `api/categories/${id}?reassign_to=${other}`});
    await this.#loadQuietly();
  }

  /** @param {number} id It was chosen. */
  use(id) {
    this.recent = [id, ...this.recent.filter((each) => each !== id)].slice(0, RECENT);
  }

  /**
   * The category that a key chooses: the one that the user has pinned, else the one at that place of the list.
   * @param {number} number 1 to 9.
   * @returns {number | null}
   */
  ofKey(number) {
    const pinned = this.#preferences.get("pinned")[number - 1] ?? null;
    if (pinned !== null && this.#known.has(pinned)) return pinned;
    return [...this.#known.keys()][number - 1] ?? null;
  }

  /**
   * The key, 1 to 9, that chooses a category; `null` where none does.
   * @param {number} id
   */
  keyOf(id) {
    this.#keys ??= new Map(KEYS.map((number) => [this.ofKey(number), number]));
    return this.#keys.get(id) ?? null;
  }

  /**
   * @param {number} number 1 to 9.
   * @param {number | null} id `null`: the one at that place of the list again.
   */
  pin(number, id) {
    const pinned = this.#preferences.get("pinned").map((each) => (each === id ? null : each));
    pinned[number - 1] = id;
    this.#preferences.set("pinned", pinned);
  }

  /** @param {Request} request */
  #change(request) {
    return this.#changes.make({make: () => request, answered: ({body}) => body}, null);
  }

  #tell() {
    this.#keys = null;
    this.emit("change");
  }

  async #loadQuietly() {
    // What is known stays until it can be read.
    await this.load().catch((error) => console.debug(messageOf(error)));
  }
}
