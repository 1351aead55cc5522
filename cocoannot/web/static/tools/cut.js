// Cuts the shape that is selected along a line: a drag, or points one after another. The largest piece keeps the record, the
// others become annotations of their own, like it in all but ids and what follows from the outline.
//
//   empty --drag--> cut        empty --press--> drawing --Enter, double click--> cut        drawing --Backspace, undo--> one point less

import {heavy} from "../geometry/heavy.js";
import {distance} from "../geometry/polygons.js";
import {frameOf} from "../geometry/placing.js";
import {arrowOf} from "./arrows.js";
import {mayDraw} from "./may_draw.js";
import {areas, segmentationOf, worked} from "./operations.js";

/** @import {Annotation, Entry, KeyInput, Point, PointerInput, Shape, Tool, ToolContext} from "../types.js" */

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const cut = new Cut(context);
  return {
    name: "cut", title: "Cut", icon: "cut",
    hint: () => cut.hint(),
    cursor: () => "crosshair",
    activate: () => cut.activate(),
    cancel: () => cut.drop(),
    pointer: (input) => cut.pointer(input),
    key: (input) => cut.key(input),
    undo: () => cut.undo(),
    busy: () => cut.points.length > 0,
  };
}

class Cut {
  /** @type {Point[]} */
  points = [];
  /** @type {Point | null} Where the pointer is. */
  #ahead = null;
  /** @type {Point | null} Where the arrows have gone to, since a point was put down. */
  #aim = null;

  /** @param {ToolContext} context */
  constructor(context) {
    this.context = context;
  }

  /** @returns {Entry | null} */
  get target() {
    const [entry, ...others] = areas(this.context.session);
    return entry && !others.length ? entry : null;
  }

  activate() {
    const {view} = this.context;
    view.crosshair(false);
    if (this.target) return;
    view.say("Select one box, polygon or mask first: the line cuts it");
    view.done();
  }

  /** @param {PointerInput} input */
  pointer(input) {
    if (input.kind === "cancel") return void this.drop();
    /** @type {Point} */
    const at = [input.x, input.y];
    this.#ahead = input.kind === "leave" ? null : at;
    if (input.kind === "move") this.#aim = null;
    if (input.kind === "down" && input.button === 0 && mayDraw(this.context)) this.points.push(at);
    else if (input.kind === "up" && input.dragged && this.points.length === 1) {
      this.points.push(at);
      return void this.finish();
    } else if (input.kind === "double") return this.#end(input.reach);
    this.show();
  }

  /** @param {KeyInput} input */
  key(input) {
    const arrow = arrowOf(input);
    if (arrow) this.#move(arrow);
    else if (input.key === "Enter" && this.#aim) this.#put(this.#aim);
    else if (!this.points.length) return false;
    else if (input.key === "Enter") void this.finish();
    else if (input.key === "Backspace") this.undo();
    else if (input.key === "Escape") this.drop();
    else return false;
    return true;
  }

  /** One point back; gives whether there was one. */
  undo() {
    const any = this.points.length > 0;
    this.points.pop();
    this.show();
    return any;
  }

  /** Gives whether there was something to give up. */
  drop() {
    const any = this.points.length > 0;
    this.points = [];
    this.#aim = null;
    this.context.view.draft(null);
    return any;
  }

  async finish() {
    const {session, view} = this.context;
    const line = this.points;
    const entry = this.target;
    if (line.length < 2) return view.say("A cut needs two points: click on both sides of the shape, or drag across it");
    this.drop();
    if (!entry || !mayDraw(this.context)) return;
    const pieces = await worked(this.context, [entry], (size) => heavy("sliced", segmentationOf(entry.annotation), line, size));
    if (!pieces) return;
    if (pieces.length < 2) return view.say("The line has to go across the shape, from outside to outside");
    const [largest, ...others] = pieces;
    const added = session.replace(entry.key, {segmentation: largest}, {added: others.map((each) => likeIt(entry.annotation, each))});
    session.select([entry.key, ...added]);
    view.say(`Cut into ${pieces.length}`);
    view.done();
  }

  hint() {
    if (!this.points.length) return "Drag across the shape; or click the points of a line, and press Enter. Arrows and Enter put points too";
    return "Click on; Enter or a double click cuts, Backspace takes a point back";
  }

  show() {
    const {session, view} = this.context;
    const ahead = this.#aim ?? this.#ahead;
    const points = ahead ? [...this.points, ahead] : this.points;
    const categoryId = this.target?.annotation.category_id ?? session.category;
    const handles = this.#aim ? [...this.points, this.#aim] : this.points;
    view.draft(handles.length ? {paths: [{points, closed: false, categoryId}], handles: [...handles]} : null);
  }

  /** @param {number} reach */
  #end(reach) {
    const [before, last] = this.points.slice(-2);
    // The second click of a double click has put a point beside the first one's.
    if (last && distance(before, last) <= reach) this.points.pop();
    void this.finish();
  }

  /** @param {Point} at */
  #put(at) {
    if (mayDraw(this.context)) this.points.push(at);
    this.#aim = null;
    this.show();
  }

  /** @param {Point} by */
  #move([dx, dy]) {
    const {width, height} = frameOf(this.context.session.image);
    const [x, y] = this.#aim ?? this.points.at(-1) ?? this.#ahead ?? [Number.isFinite(width) ? width / 2 : 0, Number.isFinite(height) ? height / 2 : 0];
    this.#aim = [Math.min(width, Math.max(0, x + dx)), Math.min(height, Math.max(0, y + dy))];
    this.show();
  }
}

/**
 * A new annotation with another outline, and without what belongs to the old one.
 * @param {Annotation} annotation
 * @param {Shape["segmentation"]} segmentation
 * @returns {Shape}
 */
function likeIt({id, image_id, bbox, area, keypoints, num_keypoints, ...rest}, segmentation) {
  return {...rest, segmentation};
}
