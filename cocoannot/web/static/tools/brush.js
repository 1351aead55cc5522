// Paints masks with a round pen: on the one mask or polygon that is selected, else a new one. Each stroke is one change.
//
//   idle --press, Enter--> painting --let go, Enter--> one change --> idle
//   painting --Escape, undo, a second finger--> idle, as it was

import {frameOf} from "../geometry/placing.js";
import * as regions from "../geometry/regions.js";
import {toRuns} from "../geometry/spans.js";
import {kindOf} from "../shapes/registry.js";
import {changeable} from "./aim.js";
import {arrowOf} from "./arrows.js";
import {acts} from "./brush_acts.js";
import {mayDraw} from "./may_draw.js";
import {Pen} from "./pen.js";
import {keptAs, paintable} from "./painted.js";
import {Stroke} from "./stroke.js";

/** @import {Annotation, Draft, Entry, Key, KeyInput, Point, PointerInput, Tool, ToolContext} from "../types.js" */

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const brush = new Brush(context);
  return {
    name: "brush", title: "Mask brush", icon: "brush",
    hint: () => brush.hint(),
    cursor: () => "crosshair",
    activate: () => brush.activate(),
    cancel: () => brush.drop(),
    pointer: (input) => brush.pointer(input),
    key: (input) => brush.key(input),
    wheel: (steps) => brush.pen.resize(-steps),
    undo: () => brush.drop(),
    busy: () => brush.isPainting,
    acts: acts(brush, context),
  };
}

export class Brush {
  /** @type {Stroke | null} */
  #stroke = null;
  /** @type {Point | null} Where the pointer is, or where the arrows have gone to. */
  #at = null;
  /** It is used by fingers, which have no keys. */
  #touch = false;
  /** @type {Key | null} What was begun with the pen last: another category begins another mask. */
  #begun = null;

  /** @param {ToolContext} context */
  constructor(context) {
    this.context = context;
    this.pen = new Pen(context.preferences);
    this.pen.on("change", () => context.session.tool === "brush" && this.show());
  }

  get isPainting() {
    return this.#stroke !== null;
  }

  activate() {
    this.#begun = null;
    this.context.view.crosshair(false);
    this.show();
  }

  /** @returns {Entry | null} What is painted on; `null`: a new mask. */
  get target() {
    const {session} = this.context;
    const [entry, ...others] = changeable(session);
    if (!entry || others.length || session.selection.size > 1 || !paintable(entry.annotation)) return null;
    return entry.key === this.#begun && entry.annotation.category_id !== session.category ? null : entry;
  }

  /** @param {PointerInput} input */
  pointer(input) {
    this.#touch = input.touch;
    if (input.kind === "cancel") return void this.drop();
    /** @type {Point} */
    const at = [input.x, input.y];
    this.#at = input.kind === "leave" ? null : at;
    if (input.kind === "down" && input.button === 0) this.#begin(input.ctrl, input.shift);
    else if (input.kind === "move") for (const point of [...(input.way ?? []), at]) this.#stroke?.lead(point);
    else if (input.kind === "up" && this.#stroke) this.#finish(at);
    // A finger that was lifted is nowhere.
    if (input.kind === "up" && input.touch) this.#at = null;
    this.show();
  }

  /** @param {KeyInput} input */
  key(input) {
    const arrow = arrowOf(input);
    if (arrow) this.#move(arrow);
    else if (input.key === "Enter" && !input.alt) this.#press(input);
    else if (input.key === "Escape") return this.drop();
    else return false;
    return true;
  }

  /** Gives up the stroke; gives whether there was one. */
  drop() {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke?.key) this.#letGo(stroke.key);
    this.context.view.draft(null);
    return stroke !== null;
  }

  fillHoles() {
    const {session, view} = this.context;
    const entry = this.target;
    const size = this.#size();
    if (!entry || !size || !mayDraw(this.context)) return;
    const before = this.#read(entry.annotation, size);
    if (!before) return;
    const after = regions.withoutHoles(before);
    if (after === before) view.say("There is no hole to fill");
    else this.#keep(after, entry.key, entry.annotation);
    session.select([entry.key]);
  }

  hint() {
    const {session} = this.context;
    const {target, pen} = this;
    if (this.isPainting) return this.#touch ? "Let go to keep the stroke; a second finger gives it up" : "Let go, or press Enter, to keep the stroke; Esc gives it up";
    if (session.selection.size && !target && this.#isLocked()) return "What is selected is locked: Shift+R begins another mask";
    const does = pen.erases ? "erases" : target ? `paints on the selected ${kindOf(target.annotation)}` : "paints a new mask";
    if (this.#touch) return `Drag ${does}; the buttons change the pen, two fingers move the picture`;
    return `Drag ${does}; Ctrl ${pen.erases ? "paints" : "erases"}, Shift fills what you go around; [ ] or the wheel: size; Ctrl+wheel zooms; Enter and arrows paint too`;
  }

  show() {
    const {session, view} = this.context;
    const stroke = this.#stroke;
    /** @type {Draft} */
    const draft = {paths: [], handles: []};
    if (this.#at && session.canEdit()) draft.pen = {at: this.#at, radius: this.pen.radius, erases: stroke?.erases ?? this.pen.erases};
    if (stroke) {
      const segmentation = {size: stroke.size, counts: toRuns(stroke.spans)};
      if (stroke.key) view.preview(stroke.key, {.../** @type {Annotation} */ (stroke.annotation), segmentation});
      else draft.shape = /** @type {Annotation} */ ({category_id: session.category ?? undefined, segmentation});
      if (stroke.encloses) draft.paths.push({points: stroke.points, closed: true, categoryId: stroke.annotation?.category_id ?? session.category});
    }
    view.draft(draft.pen || stroke ? draft : null);
  }

  #isLocked() {
    const {session} = this.context;
    return [...session.selection].every((key) => session.isLocked(/** @type {Entry} */ (session.entries.get(key))));
  }

  /** [height, width] of the image; says so where there is none. */
  #size() {
    const {width, height} = frameOf(this.context.session.image);
    if (Number.isInteger(width) && Number.isInteger(height)) return /** @type {[number, number]} */ ([height, width]);
    this.context.view.say("This image's record has no width and height in whole pixels: a mask can't be painted on it");
    return null;
  }

  /**
   * @param {Annotation} annotation
   * @param {[height: number, width: number]} size
   */
  #read(annotation, size) {
    try {
      return paintable(annotation)?.(size) ?? null;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.context.view.say(`Not painted: ${error.message}`);
      return null;
    }
  }

  /**
   * @param {boolean} erases Beside what the pen does.
   * @param {boolean} encloses
   */
  #begin(erases, encloses) {
    const {session, view} = this.context;
    this.drop();
    if (!this.#at || !mayDraw(this.context)) return;
    if (session.selection.size && this.#isLocked()) return view.say("What is selected is locked");
    const entry = this.target;
    const size = this.#size();
    if (!size) return;
    const {pen} = this;
    const options = {size, radius: pen.radius, erases: erases !== pen.erases, encloses: encloses !== pen.encloses, image: session.id};
    if (!entry && options.erases) return view.say("Select a mask first: the pen erases there");
    const before = entry ? this.#read(entry.annotation, size) : undefined;
    if (before === null) return;
    this.#stroke = new Stroke(this.#at, options, entry, before);
    if (entry) session.hold(entry.key);
  }

  /** @param {Point} at */
  #finish(at) {
    const stroke = /** @type {Stroke} */ (this.#stroke);
    stroke.lead(at);
    stroke.close();
    this.#stroke = null;
    if (stroke.image === this.context.session.id) this.#keep(stroke.spans, stroke.key, stroke.annotation, stroke.before);
    if (stroke.key) this.#letGo(stroke.key);
  }

  /** @param {Key} key */
  #letGo(key) {
    this.context.view.preview(key, null);
    this.context.session.release(key);
  }

  /**
   * @param {import("../geometry/spans.js").Spans} spans
   * @param {Key | null} key
   * @param {Annotation | null} annotation
   * @param {import("../geometry/spans.js").Spans} [before]
   */
  #keep(spans, key, annotation, before) {
    const {session, view, preferences} = this.context;
    const {segmentation, why} = keptAs(spans, {polygons: preferences.get("brushPolygons"), like: annotation, before});
    if (why) view.say(why);
    if (!segmentation) return;
    if (key) session.update(key, {segmentation});
    else this.#begun = session.add({segmentation});
  }

  /** The pen goes down or up where the arrows have brought it. @param {KeyInput} input */
  #press({ctrl, shift}) {
    this.#at ??= this.#middle();
    if (this.#stroke) this.#finish(this.#at);
    else this.#begin(ctrl, shift);
    this.show();
  }

  /** @param {Point} by */
  #move([dx, dy]) {
    const {width, height} = frameOf(this.context.session.image);
    const [x, y] = this.#at ?? this.#middle();
    this.#at = [Math.min(width, Math.max(0, x + dx)), Math.min(height, Math.max(0, y + dy))];
    this.#stroke?.lead(this.#at);
    this.show();
  }

  /** @returns {Point} */
  #middle() {
    const {width, height} = frameOf(this.context.session.image);
    return [Number.isFinite(width) ? width / 2 : 0, Number.isFinite(height) ? height / 2 : 0];
  }
}
