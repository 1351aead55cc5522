// One image and its annotations: what is there, what is selected, which tool is used. All changes go through here. It knows no
// DOM: views, tools and the canvas listen.
//
//   closed --open--> loading --> ready <--server away or back--> away
//                       \--> missing           (tools work in ready and away only)

import {ApiError, Offline, get, messageOf, onRevision} from "../net/api.js";
import {withDigits} from "./digits.js";
import {Edits} from "./edits.js";
import {Emitter} from "./emitter.js";
import {Loader} from "./loader.js";
import {Records, newKey} from "./records.js";
import {Selection} from "./selection.js";
import {Visibility} from "./visibility.js";

/** @import {Annotation, Conflict, Differences, Entry, ImageRecord, Key, NewAnnotation, SessionState, Shape} from "../types.js" */
/** @import {Changes} from "./changes.js" */
/** @import {Edit} from "./rows.js" */

/** After an answer with a revision that is not ours, before it is asked what has changed. */
const SOON = 300;

/**
 * `others`: somebody else changed so many annotations here. `undone`: an undo or redo was on the image with this id.
 * @typedef {{
 *   state: SessionState, differences: Differences, selection: ReadonlySet<Key>, hover: Key | null, visibility: undefined,
 *   category: number | null, tool: string, refused: string, conflict: Conflict, others: number, undone: number | null,
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Session extends Emitter {
  /** @type {SessionState} */
  state = "closed";
  /** @type {number | null} */
  id = null;
  /** @type {ImageRecord | null} The picture that is shown. */
  image = null;
  /** @type {string | null} In words for a person. */
  error = null;
  /** @type {Key | null} */
  hovered = null;
  /** @type {number | null} Of the next shape. */
  category = null;
  tool = "select";
  query = new URLSearchParams();
  visibility = new Visibility();
  #selection = new Selection();
  #loader = new Loader();
  #changes;
  #edits;
  #fault;
  /** @type {Records | null} */
  #records = null;
  /** @type {Map<number, Records>} Of images that were left with unanswered changes. */
  #left = new Map();
  #away = false;
  #revision = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {{changes: Changes, fault?: (annotation: Annotation) => string | null}} options `fault`: why a record can't be drawn. */
  constructor({changes, fault = () => null}) {
    super();
    this.#changes = changes;
    this.#fault = fault;
    this.#edits = new Edits({changes, read: (records, byOthers) => this.#read(records, byOthers), told: (records, differences) => this.#tell(records, differences)});
    this.#edits.on("refused", (message) => this.emit("refused", message));
    this.#edits.on("conflict", (conflict) => this.emit("conflict", conflict));
    changes.on("refused", (message) => this.emit("refused", message));
    changes.on("undone", ({imageId, edits}) => this.#undone(imageId, new Set(edits.map((edit) => (edit.section === "images" ? edit.id : edit.image_id)))));
    this.visibility.on("change", () => this.emit("visibility"));
    onRevision((revision) => this.#hear(revision));
  }

  // Opening

  /** @type {ReadonlyMap<Key, Entry>} In the file's order. */
  get entries() {
    return this.#records?.entries ?? new Map();
  }

  /**
   * Show an image, which the gallery found by `query`.
   * @param {number} id
   * @param {URLSearchParams} query
   */
  async open(id, query) {
    this.query = query;
    if (id === this.id && this.state !== "missing" && this.state !== "closed") return;
    this.#leave();
    this.id = id;
    this.#become("loading");
    await this.#load(id);
  }

  close() {
    if (this.state === "closed") return;
    this.#leave();
    this.id = null;
    this.#become("closed");
  }

  /** What is shown is read again, and stays as it is meanwhile. */
  async reopen() {
    if (this.id === null) return;
    if (!this.#records) return this.#load(this.id);
    this.#records.etag = null;
    await this.#readQuietly(true);
  }

  /** @param {number} id Of an image that is likely to be opened next. */
  prepare(id) {
    this.#loader.prepare(id);
  }

  /** Whether the server can't be reached: one works on, and what could not be read is read as soon as it can. */
  setAway(/** @type {boolean} */ away) {
    if (away === this.#away) return;
    this.#away = away;
    if (this.canEdit()) this.#become(away ? "away" : "ready");
    if (!away && this.state === "loading") void this.reopen();
    else if (!away) this.#noticeSoon();
  }

  canEdit() {
    return this.state === "ready" || this.state === "away";
  }

  // Changing

  /**
   * Add a shape to the picture that is shown; gives its key, `null` where it can't be.
   * @param {Shape} shape
   * @param {number | null} [categoryId]
   * @returns {Key | null}
   */
  add(shape, categoryId = this.category) {
    return this.addMany([{...shape, category_id: categoryId}])[0] ?? null;
  }

  /**
   * One change, one undo. Each may bring its `category_id`; else it gets the next shape's.
   * @param {(Shape & {category_id?: number | null})[]} shapes
   * @returns {Key[]}
   */
  addMany(shapes) {
    const edits = shapes.map((shape) => this.#addition(shape));
    const ready = edits.filter((edit) => edit !== null);
    if (!this.#records || !ready.length || ready.length < edits.length) return [];
    const keys = ready.map(({key}) => key);
    this.#show(ready.map(({annotation}) => annotation));
    void this.#edits.make(this.#records, ready);
    if (this.#selection.selectDrawn(keys)) this.emit("selection", this.selection);
    return keys;
  }

  /**
   * @param {Key} key
   * @param {Partial<Annotation>} changes Fields that are other; `null` takes one away.
   */
  update(key, changes) {
    this.updateMany([[key, changes]]);
  }

  /**
   * One change, one undo.
   * @param {[Key, Partial<Annotation>][]} changes
   */
  updateMany(changes) {
    const edits = changes.flatMap(([key, fields]) => {
      const entry = this.entries.get(key);
      return entry ? [{op: /** @type {const} */ ("update"), key, changes: withDigits(fields, entry.annotation)}] : [];
    });
    this.#edit(edits);
  }

  /** @param {Iterable<Key>} keys */
  remove(keys) {
    const there = [...keys].flatMap((key) => this.entries.get(key) ?? []);
    const free = there.filter((entry) => !this.isLocked(entry));
    if (there.length && !free.length) this.emit("refused", "Not deleted: it is locked.");
    this.#edit(free.map(({key}) => ({op: /** @type {const} */ ("delete"), key})));
  }

  /**
   * Captions without a category stay as they are.
   * @param {Iterable<Key>} keys
   * @param {number} categoryId
   */
  relabel(keys, categoryId) {
    const others = [...keys].filter((key) => {
      const annotation = this.entries.get(key)?.annotation;
      const isCaption = annotation?.caption !== undefined && annotation.category_id === undefined;
      return annotation && !isCaption && annotation.category_id !== categoryId;
    });
    this.updateMany(others.map((key) => [key, {category_id: categoryId}]));
  }

  undo() {
    return this.#changes.undo();
  }

  redo() {
    return this.#changes.redo();
  }

  canUndo() {
    return this.#changes.canUndo();
  }

  canRedo() {
    return this.#changes.canRedo();
  }

  /**
   * While a key is held (dragged), nobody's answer or change replaces it.
   * @param {Key} key
   */
  hold(key) {
    this.#records?.hold(key);
  }

  /** @param {Key} key */
  release(key) {
    if (this.#records) this.#tell(this.#records, this.#records.release(key));
  }

  // Looking

  /** @type {ReadonlySet<Key>} */
  get selection() {
    return this.#selection.keys;
  }

  /**
   * @param {Iterable<Key>} keys
   * @param {"replace" | "add" | "toggle"} [how]
   */
  select(keys, how = "replace") {
    const there = [...keys].filter((key) => this.entries.has(key));
    if (this.#selection.select(there, how)) this.emit("selection", this.selection);
  }

  /** @param {Key | null} key */
  hover(key) {
    if (key === this.hovered) return;
    this.hovered = key;
    this.emit("hover", key);
  }

  /**
   * Of the next shape; what is selected keeps its own.
   * @param {number | null} id
   */
  setCategory(id) {
    if (id === this.category) return;
    this.category = id;
    this.emit("category", id);
  }

  /**
   * As a key for a category does: what the user has selected gets it, else the next shape.
   * @param {number} id
   */
  choose(id) {
    if (this.canEdit() && this.#selection.meant) this.relabel(this.selection, id);
    else this.setCategory(id);
  }

  /** @param {string} name */
  setTool(name) {
    if (name === this.tool) return;
    this.tool = name;
    this.emit("tool", name);
  }

  /** @param {Entry} entry */
  isVisible(entry) {
    return this.visibility.isVisible(entry, this.selection);
  }

  /** @param {Entry} entry */
  isLocked(entry) {
    return this.visibility.isLocked(entry);
  }

  // Inside

  /** @param {SessionState} state */
  #become(state, /** @type {string | null} */ error = null) {
    [this.state, this.error] = [state, error];
    this.emit("state", state);
  }

  #leave() {
    const removed = [...this.entries.keys()];
    if (this.#records?.pending) this.#left.set(this.#records.imageId, this.#records);
    [this.#records, this.image, this.hovered] = [null, null, null];
    if (removed.length) this.emit("differences", {added: [], changed: [], removed});
    if (this.#selection.keepOnly(() => false)) this.emit("selection", this.selection);
    this.visibility.forgetKeys();
  }

  /** @param {number} id */
  async #load(id) {
    try {
      const {image, list} = await this.#loader.load(id);
      if (id !== this.id || this.#records) return;
      const records = this.#left.get(id) ?? new Records(id, this.#fault);
      records.merge(list.body, list, records.complete >= 0);
      [this.#records, this.image] = [records, image];
      this.#become(this.#away ? "away" : "ready");
      this.#tell(records, {added: [...records.entries.values()], changed: [], removed: []});
      this.#noticeSoon();
    } catch (error) {
      if (id !== this.id) return;
      if (error instanceof Offline) this.#become("loading", "The server does not answer. The image comes as soon as it does.");
      else if (error instanceof ApiError) this.#become("missing", error.status === 404 ? `There is no image ${id}.` : error.message);
      else throw error;
    }
  }

  /**
   * Throws what `get` throws.
   * @param {Records} records
   * @param {boolean} byOthers
   */
  async #read(records, byOthers) {
    const id = records.imageId;
    for (;;) {
      const answer = await get(`api/images/${id}/annotations?with=etag`, {etag: records.etag});
      // Read before the answer to one of our changes, and come after it.
      if (answer.revision < records.revision) continue;
      if (answer.status === 304) [records.complete, records.stale] = [answer.revision, false];
      else {
        const isOurs = !byOthers || records.stale;
        const differences = records.merge(answer.body, answer, !isOurs);
        this.#tell(records, differences);
        const count = differences.added.length + differences.changed.length + differences.removed.length;
        if (!isOurs && count && records === this.#records) this.emit("others", count);
      }
      return;
    }
  }

  /** @param {boolean} byOthers */
  async #readQuietly(byOthers) {
    const records = this.#records;
    try {
      if (records) await this.#read(records, byOthers);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && records === this.#records) {
        this.#leave();
        this.#become("missing", `There is no image ${this.id} any more: it was deleted.`);
      } else if (!(error instanceof Offline || error instanceof ApiError)) throw error;
    }
  }

  /** @param {number} revision Of the dataset, from any answer. */
  #hear(revision) {
    this.#revision = revision;
    this.#noticeSoon();
  }

  /** Others' changes: where the dataset's revision is not ours, ask whether this image has changed; not between our own changes. */
  #noticeSoon() {
    const isKnown = () => !this.#records || this.#records.complete === this.#revision;
    if (isKnown() || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!isKnown() && !this.#records?.pending) void this.#readQuietly(true);
    }, SOON);
  }

  /**
   * @param {number | null} imageId
   * @param {Set<number | null>} images Those that the undo has changed.
   */
  #undone(imageId, images) {
    for (const records of [this.#records, ...this.#left.values()]) if (records && images.has(records.imageId)) records.stale = true;
    if (this.#records?.stale) void this.#readQuietly(false);
    this.emit("undone", imageId);
  }

  /**
   * @param {Records} records
   * @param {Differences} differences
   */
  #tell(records, differences) {
    if (!records.pending) this.#left.delete(records.imageId);
    if (records !== this.#records) return;
    this.#noticeSoon();
    const {added, changed, removed} = differences;
    if (added.length + changed.length + removed.length) this.emit("differences", differences);
    if (!removed.length) return;
    if (this.#selection.keepOnly((key) => this.entries.has(key))) this.emit("selection", this.selection);
    if (this.hovered !== null && !this.entries.has(this.hovered)) this.hover(null);
  }

  /**
   * @param {Shape & {category_id?: number | null}} shape
   * @returns {{op: "add", key: Key, annotation: NewAnnotation} | null}
   */
  #addition({category_id = this.category, ...shape}) {
    if (!this.#mayEdit()) return null;
    if (category_id === null) {
      this.emit("refused", "Add a category first: a shape needs one.");
      return null;
    }
    const annotation = {image_id: /** @type {ImageRecord} */ (this.image).id, category_id, ...(shape.bbox ? {segmentation: []} : {}), ...shape};
    return {op: "add", key: newKey(), annotation};
  }

  /** @param {Edit[]} edits */
  #edit(edits) {
    if (edits.length && this.#mayEdit() && this.#records) void this.#edits.make(this.#records, edits);
  }

  #mayEdit() {
    if (this.canEdit()) return true;
    this.emit("refused", this.state === "loading" ? "The image is still loading." : "There is no image to change.");
    return false;
  }

  /** What is drawn is to be seen. @param {{category_id?: number}[]} annotations */
  #show(annotations) {
    const {hiddenCategories} = this.visibility;
    const hidden = annotations.filter(({category_id: id}) => id !== undefined && hiddenCategories.delete(id));
    if (!hidden.length && !this.visibility.allHidden) return;
    this.visibility.allHidden = false;
    this.visibility.emit("change");
  }
}
