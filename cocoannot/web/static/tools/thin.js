// Takes corners away from the polygons that are selected, those first that change the outline least, as many as one wants; it is
// seen meanwhile.
//
//   chosen --fewer, more--> seen --Enter--> one change --> put away        seen --Escape--> put away

import {heavy} from "../geometry/heavy.js";
import {pointsOf} from "../geometry/polygons.js";
import {fewest, thinned} from "../geometry/thinning.js";
import {kindOf} from "../shapes/registry.js";
import {mayDraw} from "./may_draw.js";
import {areas, worked} from "./operations.js";

/** @import {Entry, KeyInput, Point, ToolContext} from "../types.js" */
/** @import {Place} from "../geometry/thinning.js" */
/** @import {PanningTool} from "./types.js" */

/** Corners that change less than this are gone at first; in square pixels. */
const HARDLY_ANY = 1;
/** What a key or a button changes the count by. */
const STEP = 0.85;

/**
 * @param {ToolContext} context
 * @returns {PanningTool}
 */
export function make(context) {
  const thin = new Thin(context);
  const can = () => thin.total > 0;
  return {
    name: "thin", title: "Fewer corners", icon: "thin",
    hint: () => thin.hint(),
    cursor: () => "default",
    pans: () => true,
    activate: () => void thin.begin(),
    cancel: () => thin.drop(),
    pointer: (input) => input.kind === "double" && thin.keep(),
    key: (input) => thin.key(input),
    wheel: (steps) => thin.by(STEP ** steps),
    undo: () => thin.drop(),
    busy: () => thin.total > 0,
    acts: [
      {name: "fewer", title: "Take more corners away", text: "Fewer", key: "[", icon: "minus", can, run: () => thin.by(STEP)},
      {name: "more", title: "Leave more corners", text: "More", key: "]", icon: "plus", can, run: () => thin.by(1 / STEP)},
    ],
  };
}

class Thin {
  /** @type {{entry: Entry, rings: Point[][], places: Place[]} | null} */
  #work = null;
  total = 0;
  count = 0;
  #turn = 0;

  /** @param {ToolContext} context */
  constructor(context) {
    this.context = context;
  }

  async begin() {
    const {session, view} = this.context;
    const [entry, ...others] = areas(session);
    view.crosshair(false);
    if (!entry || others.length || kindOf(entry.annotation) !== "polygon") {
      view.say(entry && !others.length ? "This has no corners to spare: turn a mask into polygons first (Shift+P)" : "Select one annotation with polygons first");
      return view.done();
    }
    if (!mayDraw(this.context)) return view.done();
    const rings = /** @type {number[][]} */ (entry.annotation.segmentation).map(pointsOf);
    const turn = ++this.#turn;
    const places = await worked(this.context, [entry], () => heavy("order", rings));
    // Another tool was taken meanwhile, maybe this one again.
    if (session.tool !== "thin" || turn !== this.#turn) return;
    if (!places) return view.done();
    this.#work = {entry, rings, places};
    this.total = rings.reduce((sum, ring) => sum + ring.length, 0);
    session.hold(entry.key);
    this.#set(this.total - places.filter(([, , cost]) => cost < HARDLY_ANY).length);
  }

  /** @param {KeyInput} input */
  key({key}) {
    if (!this.#work) return false;
    if (key === "Enter") this.keep();
    else if (key === "Escape") this.#leave();
    else if (key === "ArrowLeft" || key === "ArrowDown") this.#set(this.count - 1);
    else if (key === "ArrowRight" || key === "ArrowUp") this.#set(this.count + 1);
    else return false;
    return true;
  }

  /** So many times as many corners, at least one more or less. @param {number} factor */
  by(factor) {
    const next = Math.round(this.count * factor);
    this.#set(next === this.count ? this.count + Math.sign(factor - 1) : next);
    return true;
  }

  keep() {
    const work = this.#work;
    if (!work) return;
    const segmentation = this.#segmentation(work);
    const isOther = this.count < this.total;
    this.drop();
    if (isOther && mayDraw(this.context)) this.context.session.update(work.entry.key, {segmentation});
    this.context.view.done();
  }

  /** Gives whether something was given up. */
  drop() {
    const work = this.#work;
    this.#work = null;
    this.total = 0;
    if (!work) return false;
    this.context.view.preview(work.entry.key, null);
    this.context.session.release(work.entry.key);
    return true;
  }

  hint() {
    if (!this.#work) return "Working out which corners matter least...";
    return `${this.count} of ${this.total} corners: [ ] or the wheel change that, arrows by one; Enter keeps it, Esc leaves it as it was`;
  }

  #leave() {
    this.drop();
    this.context.view.done();
  }

  /** @param {number} count */
  #set(count) {
    const work = this.#work;
    if (!work) return;
    this.count = Math.min(this.total, Math.max(fewest(work.rings), count));
    this.context.view.preview(work.entry.key, {...work.entry.annotation, segmentation: this.#segmentation(work)});
  }

  /** @param {{rings: Point[][], places: Place[]}} work */
  #segmentation({rings, places}) {
    return thinned(rings, places, this.count).map((ring) => ring.flat());
  }
}
