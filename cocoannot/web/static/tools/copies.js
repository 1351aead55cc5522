// Copying annotations: to another image at the same place, on the same image to the pointer, and all of the image before. A copy
// has every field of its original but the ids, and each number as it was written. What is added is one change, selected, and
// for the select tool to drag.

import {frameOf} from "../geometry/placing.js";
import {boundsOfAll, inFrame, placed, together} from "../shapes/group.js";
import {kindOf} from "../shapes/registry.js";
import {copyTexts} from "../net/json.js";
import {plural} from "../state/words.js";
import {mayDraw} from "./may_draw.js";

/** @import {Annotation, Entry, ImageRecord, Key, NewShape, Point, PointerInput, ToolContext} from "../types.js" */

/** How far a copy lies beside its original where nothing else is asked for, in the picture's pixels. */
const ASIDE = 10;

/** @typedef {{image: ImageRecord, entries: ReadonlyMap<Key, Entry>}} Seen An image, as it was when it was left. */

export class Copies {
  /** @type {{imageId: number, annotations: Annotation[]} | null} */
  #copied = null;
  /** @type {Seen | null} */
  #now = null;
  /** @type {Seen | null} The image that was open before. */
  #before = null;
  /** @type {Point | null} Where the pointer is in the picture. */
  #pointer = null;

  /** @param {Pick<ToolContext, "session" | "view">} context */
  constructor(context) {
    this.context = context;
    for (const event of /** @type {const} */ (["state", "differences"])) context.session.on(event, () => this.#look());
  }

  get isEmpty() {
    return this.#copied === null;
  }

  /** @param {PointerInput} input */
  point({kind, x, y}) {
    this.#pointer = kind === "leave" ? null : [x, y];
  }

  /** What is selected, for `paste`. */
  copy() {
    const annotations = this.#selected();
    const {image} = this.context.session;
    if (!annotations.length || !image) return;
    this.#copied = {imageId: image.id, annotations};
    this.context.view.say(`${plural(annotations.length, "annotation")} copied`);
  }

  /** At the same place on another image, and at the pointer on the same one. */
  paste() {
    const {session} = this.context;
    if (!this.#copied) return;
    const {annotations, imageId} = this.#copied;
    if (imageId !== session.image?.id) return this.#add(annotations, [0, 0]);
    const around = this.#pointer && boundsOfAll(annotations);
    if (!this.#pointer || !around) return this.#addAside(annotations);
    const [left, top, right, bottom] = around;
    this.#add(annotations, [Math.round(this.#pointer[0] - (left + right) / 2), Math.round(this.#pointer[1] - (top + bottom) / 2)]);
  }

  /** What is selected, once more, a little aside. */
  duplicate() {
    const annotations = this.#selected();
    if (annotations.length) this.#addAside(annotations);
  }

  /** The shapes of the image that was open before, as a group. */
  repeat() {
    const {view} = this.context;
    if (!this.#before) return view.say("Open another image first: its shapes can be repeated on the next one");
    const shapes = [...this.#before.entries.values()].filter(({broken, annotation}) => broken === null && kindOf(annotation) !== "caption");
    if (!shapes.length) return view.say("The image before had no shapes");
    this.#add(shapes.map(({annotation}) => annotation), [0, 0]);
  }

  /** @param {Annotation[]} annotations */
  #addAside(annotations) {
    const frame = frameOf(this.context.session.image);
    const [dx, dy] = together(annotations, [ASIDE, ASIDE], frame);
    this.#add(annotations, dx || dy ? [dx, dy] : [-ASIDE, -ASIDE]);
  }

  /**
   * @param {Annotation[]} annotations
   * @param {Point} by
   */
  #add(annotations, by) {
    const {session, view} = this.context;
    if (!mayDraw(this.context)) return;
    const frame = frameOf(session.image);
    const fitting = annotations.flatMap((annotation) => inFrame(annotation, frame) ?? []);
    const left = annotations.length - fitting.length;
    if (left) view.say(`${plural(left, "annotation")} left out: this picture is smaller, and they would lie beside it`);
    if (!fitting.length) return;
    const way = together(fitting, by, frame);
    const keys = session.addMany(fitting.map((annotation) => withoutIds(placed(annotation, way, frame))));
    session.setTool("select");
    // Unlike what was drawn: a key for a category is meant for them.
    session.select(keys);
  }

  #selected() {
    const {session} = this.context;
    return [...session.entries.values()].filter(({key, broken}) => broken === null && session.selection.has(key)).map(({annotation}) => annotation);
  }

  /** Before an image is left, nobody tells; so what is known of the open one is kept up to date. */
  #look() {
    const {image, entries, isThere} = this.context.session;
    if (!image || !isThere) return;
    if (this.#now && this.#now.image.id !== image.id) this.#before = this.#now;
    this.#now = {image, entries};
  }
}

/**
 * @param {Annotation} annotation
 * @returns {NewShape}
 */
function withoutIds(annotation) {
  const {id: _, image_id: __, ...rest} = annotation;
  return copyTexts(annotation, /** @type {NewShape} */ ({...rest, category_id: annotation.category_id ?? null}));
}
