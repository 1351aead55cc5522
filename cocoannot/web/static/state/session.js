// One image and what a user does with it: what is selected, which tool is used, and every change. It knows no DOM: views, tools and
// the canvas listen. Tools work where `canEdit` says so.

import {copyTexts} from "../net/json.js";
import {withDigits} from "./digits.js";
import {Edits} from "./edits.js";
import {Emitter} from "./emitter.js";
import {OpenImage} from "./open_image.js";
import {newKey} from "./records.js";
import {Selection} from "./selection.js";
import {Visibility} from "./visibility.js";

/** @import {Annotation, Conflict, Differences, Entry, ImageRecord, Key, NewAnnotation, NewShape, SessionState, Shape, ToldChange} from "../types.js" */
/** @import {Changes} from "./changes.js" */
/** @import {Edit} from "./rows.js" */

/**
 * `others`: somebody else changed so many annotations here. `changed`: the user has changed something. `undone`: an undo or redo was on the image with this id.
 * @typedef {{
 *   state: SessionState, differences: Differences, selection: ReadonlySet<Key>, hover: Key | null, visibility: undefined,
 *   category: number | null, tool: string, refused: string, conflict: Conflict, others: {count: number, user: string | null}, changed: undefined,
 *   undone: number | null,
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Session extends Emitter {
  /** @type {Key | null} */
  hovered = null;
  /** @type {number | null} Of the next shape. */
  category = null;
  tool = "select";
  query = new URLSearchParams();
  visibility = new Visibility();
  #selection = new Selection();
  #open;
  #changes;
  #edits;
  #lacks;

  /**
   * @param {object} options
   * @param {Changes} options.changes
   * @param {(annotation: Annotation) => string | null} [options.fault] Why a record can't be drawn.
   * @param {() => string | null} [options.lacks] Why this person may not change annotations.
   */
  constructor({changes, fault = () => null, lacks = () => null}) {
    super();
    this.#changes = changes;
    this.#lacks = lacks;
    const {queue} = changes;
    const open = new OpenImage(fault, () => queue.pending > 0);
    queue.on("change", () => queue.pending || open.settled());
    this.#open = open;
    this.#edits = new Edits({changes, read: (records, byOthers) => open.read(records, byOthers), told: (records, differences) => open.told(records, differences)});
    open.on("state", (state) => this.emit("state", state));
    open.on("differences", (differences) => this.#tell(differences));
    open.on("others", (others) => this.emit("others", others));
    this.#edits.on("refused", (message) => this.emit("refused", message));
    changes.on("refused", (message) => this.emit("refused", message));
    this.#edits.on("conflict", (conflict) => this.emit("conflict", conflict));
    changes.on("undone", ({imageId, edits}) => {
      open.undone(new Set(edits.map((edit) => edit.image_id)));
      this.emit("undone", imageId);
    });
    this.visibility.on("change", () => this.emit("visibility"));
  }

  get state() {
    return this.#open.state;
  }

  get id() {
    return this.#open.id;
  }

  /** The picture that is shown; `null` until all of it is known. */
  get image() {
    return this.#open.image;
  }

  /** In words for a person; `null` where all is well. */
  get error() {
    return this.#open.error;
  }

  /** @type {ReadonlyMap<Key, Entry>} In the file's order. */
  get entries() {
    return this.#open.records?.entries ?? new Map();
  }

  /**
   * An entry as it is now, `null` where it is gone: what views show follows a frame later.
   * @param {Entry | null} entry
   */
  now(entry) {
    return entry && (this.entries.get(entry.key) ?? null);
  }

  /** Whether there is a picture with annotations to look at. */
  get isThere() {
    return this.#open.isThere;
  }

  canEdit() {
    return this.isThere && this.#lacks() === null;
  }

  /** Why this person may only look, in words; `null` where that is not so. */
  get lacks() {
    return this.#lacks();
  }

  /** A change of anybody's, as the stream of events tells it. @param {ToldChange} change */
  heard(change) {
    this.#open.heard(change);
  }

  /**
   * Show an image, which the gallery found by `query`.
   * @param {number} id
   * @param {URLSearchParams} query
   */
  async open(id, query) {
    this.query = query;
    if (id !== this.id) this.visibility.forgetKeys();
    await this.#open.open(id);
  }

  close() {
    this.#open.close();
  }

  /** What is shown is read again, and stays as it is meanwhile. */
  reopen() {
    return this.#open.reopen();
  }

  /** @param {number} id Of an image that is likely to be opened next. */
  prepare(id) {
    this.#open.prepare(id);
  }

  /** @param {boolean} away Whether the server can't be reached: one works on, and what could not be read is read when it can. */
  setAway(away) {
    this.#open.setAway(away);
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
   * One change, one undo. Each gets the next shape's category where it brings none; `null`, for captions only, is no category.
   * @param {NewShape[]} shapes
   * @returns {Key[]}
   */
  addMany(shapes) {
    const edits = shapes.map((shape) => this.#addition(shape));
    const ready = edits.filter((edit) => edit !== null);
    const {records} = this.#open;
    if (!records || !ready.length || ready.length < edits.length) return [];
    const keys = ready.map(({key}) => key);
    this.visibility.reveal(ready.map(({annotation}) => annotation));
    this.emit("changed");
    void this.#edits.make(records, ready);
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

  /**
   * One annotation becomes several, or several become one: one change, one undo. Gives the keys of what is added.
   * @param {Key} key Of the one that is changed.
   * @param {Partial<Annotation>} changes
   * @param {{added?: Shape[], removed?: Key[]}} more
   * @returns {Key[]}
   */
  replace(key, changes, {added = [], removed = []}) {
    const entry = this.entries.get(key);
    const additions = entry ? added.flatMap((each) => this.#addition(withDigits(each, entry.annotation)) ?? []) : [];
    if (!entry || additions.length < added.length) return [];
    const deletions = removed.map((each) => ({op: /** @type {const} */ ("delete"), key: each}));
    this.#edit([{op: "update", key, changes: withDigits(changes, entry.annotation)}, ...additions, ...deletions]);
    return additions.map((each) => each.key);
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
    this.#open.records?.hold(key);
  }

  /** @param {Key} key */
  release(key) {
    const {records} = this.#open;
    if (records) this.#open.told(records, records.release(key));
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

  /** @param {Differences} differences */
  #tell(differences) {
    if (differences.added.length + differences.changed.length + differences.removed.length) this.emit("differences", differences);
    if (this.#selection.keepOnly((key) => this.entries.has(key))) this.emit("selection", this.selection);
    if (this.hovered !== null && !this.entries.has(this.hovered)) this.hover(null);
  }

  /**
   * @param {NewShape} given
   * @returns {{op: "add", key: Key, annotation: NewAnnotation} | null}
   */
  #addition(given) {
    const {category_id = this.category, ...shape} = given;
    if (!this.#mayEdit()) return null;
    if (category_id === null && shape.caption === undefined) {
      this.emit("refused", "Add a category first: a shape needs one.");
      return null;
    }
    const ids = {image_id: /** @type {ImageRecord} */ (this.image).id, ...(category_id === null ? {} : {category_id})};
    const annotation = {...ids, ...(shape.bbox ? {segmentation: []} : {}), ...shape};
    return {op: "add", key: newKey(), annotation: copyTexts(given, annotation)};
  }

  /** @param {Edit[]} edits */
  #edit(edits) {
    const {records} = this.#open;
    if (!edits.length || !this.#mayEdit() || !records) return;
    this.emit("changed");
    void this.#edits.make(records, edits);
  }

  #mayEdit() {
    if (this.canEdit()) return true;
    if (this.isThere) this.emit("refused", `Not changed: it ${this.lacks}.`);
    else this.emit("refused", this.state === "loading" ? "The image is still loading." : "There is no image to change.");
    return false;
  }
}
