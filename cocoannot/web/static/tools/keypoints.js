// Places keypoints one after another, in the order of the category's names: those that the selected annotation has not yet, else
// those of a new one. Moving and hiding them later is the select tool's.
//
//   empty --a point, "not there"--> placing --the last one, Enter--> one change --> empty
//   placing --Backspace, undo--> one point less        placing --Escape, Escape--> empty

import {frameOf, inside} from "../geometry/placing.js";
import {pointsOf, withPoints} from "../shapes/keypoints.js";
import {arrowOf} from "./arrows.js";
import {mayDraw} from "./may_draw.js";

/** @import {Entry, Key, KeyInput, Point, PointerInput, Tool, ToolContext} from "../types.js" */
/** @import {Keypoint} from "../shapes/types.js" */

/**
 * What is in the making. `order`: which keypoints are asked for, one after another; `at`: how many of these are answered.
 * @typedef {{image: number | null, key: Key | null, categoryId: number, points: (Keypoint | null)[], order: number[], at: number}} Making
 */

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const placing = new Placing(context);
  return {
    name: "keypoints", title: "Keypoints", icon: "keypoints",
    hint: () => placing.hint(),
    cursor: () => "crosshair",
    activate: () => placing.activate(),
    cancel: () => placing.drop(),
    pointer: (input) => placing.pointer(input),
    key: (input) => placing.key(input),
    undo: () => placing.undo(),
    busy: () => placing.isBegun,
    acts: [{name: "skip", title: "The keypoint is not there (v = 0)", text: "Not there", key: "s", icon: "none", can: () => placing.next !== null, run: () => placing.place(null)}],
  };
}

class Placing {
  /** @type {Making | null} */
  #making = null;
  /** @type {Key | null} It was made or filled last, and is selected still: the next points are not for it, whatever it lacks. */
  #finished = null;
  /** @type {Point | null} Where the pointer is. */
  #ahead = null;
  /** @type {Point | null} Where the arrows have gone to. */
  #aim = null;
  /** The point that was placed last follows the pointer until it is let go. */
  #pressed = false;
  /** Escape was pressed once. */
  #warned = false;

  /** @param {ToolContext} context */
  constructor(context) {
    this.context = context;
  }

  activate() {
    this.#finished = null;
    this.context.view.crosshair(false);
  }

  get isBegun() {
    return (this.#making?.at ?? 0) > 0;
  }

  /** @param {PointerInput} input */
  pointer(input) {
    if (input.kind === "cancel") return this.#takeBackPressed();
    this.#ahead = input.kind === "leave" ? null : this.#inside([input.x, input.y]);
    if (input.kind === "move") this.#aim = null;
    if (input.kind === "down" && input.button !== 1) this.#press(input);
    if (input.kind === "move" && this.#pressed && input.dragged) this.#drag();
    if (input.kind === "up") this.#letGo();
    // A finger that was lifted is nowhere.
    if (input.kind === "up" && input.touch) this.#ahead = null;
    this.show();
  }

  /** @param {KeyInput} input */
  key(input) {
    const arrow = arrowOf(input);
    if (arrow && this.next) this.#moveAim(arrow);
    else if (input.key === "Enter" && this.#aim) this.place({x: this.#aim[0], y: this.#aim[1], visible: input.shift ? 1 : 2});
    else if (!this.isBegun) return false;
    else if (input.key === "Enter") this.finish();
    else if (input.key === "Backspace") this.undo();
    else if (input.key === "Escape") this.#escape();
    else return false;
    return true;
  }

  /** One point back; gives whether there was one. */
  undo() {
    const making = this.#making;
    if (!making || !this.isBegun) return false;
    making.at -= 1;
    making.points[making.order[making.at]] = null;
    this.#pressed = this.#warned = false;
    this.show();
    return true;
  }

  /** Gives up all points; gives whether there was one. */
  drop() {
    const {isBegun} = this;
    this.#making = this.#aim = null;
    this.#pressed = this.#warned = false;
    this.context.view.draft(null);
    return isBegun;
  }

  /**
   * The keypoint that is asked for: its name, its number from 1, and of how many; `null` where there is none.
   * @returns {{name: string, number: number, of: number, categoryId: number} | null}
   */
  get next() {
    const making = this.#current;
    if (!making || making.at >= making.order.length) return null;
    const names = this.context.categories.keypointsOf(making.categoryId);
    const place = making.order[making.at];
    return {name: names[place] ?? "", number: place + 1, of: making.points.length, categoryId: making.categoryId};
  }

  /** @param {Keypoint | null} point `null`: it is not there. */
  place(point) {
    this.#put(point);
    this.#settle();
    this.show();
  }

  /** What is placed is kept; what is not, is not there. */
  finish() {
    const {session, view} = this.context;
    const making = this.#making;
    if (!making || !mayDraw(this.context)) return;
    if (making.image !== session.id) return view.say("These keypoints were begun on another image: go back there to finish them, or press Esc twice to give them up");
    if (!making.order.some((place) => making.points[place])) return view.say("No keypoint is there: place one, or press Esc to give it up");
    const entry = making.key === null ? null : session.entries.get(making.key);
    if (entry === undefined) return view.say("The annotation that the keypoints are for is not there any more. Press Esc twice to give them up");
    const keypoints = withPoints(entry?.annotation ?? {}, making.points);
    const key = entry?.key ?? session.add({keypoints}, making.categoryId);
    if (key === null) return;
    if (entry) session.update(key, {keypoints});
    this.#finished = key;
    this.drop();
  }

  hint() {
    const {session, categories} = this.context;
    const {next} = this;
    if (!next) {
      const {category} = session;
      return category === null ? "Add a category first: keypoints are those of a category" : `${categories.nameOf(category)} has no keypoints: name them in the category's dialog, or choose another category`;
    }
    const click = this.#making?.key ? `Selected ${categories.nameOf(next.categoryId)}: click` : "Click";
    return `${click} ${next.name}, ${next.number} of ${next.of}; right click or a long press: hidden; S: not there; arrows and Enter place it too`;
  }

  show() {
    const {view} = this.context;
    const making = this.#current;
    const {next} = this;
    const at = this.#aim ?? (this.#pressed ? null : this.#ahead);
    if (!making || !(this.isBegun || at)) return view.draft(null);
    const words = next && at ? {at, text: `${next.name}, ${next.number} of ${next.of}`} : undefined;
    view.draft({paths: [], handles: this.#aim ? [this.#aim] : [], keypoints: {points: [...making.points], categoryId: making.categoryId}, words});
  }

  /** What is in the making, or would be. */
  get #current() {
    if (!this.isBegun) this.#making = this.#begin();
    return this.#making;
  }

  /** @returns {Making | null} */
  #begin() {
    const {session, categories} = this.context;
    const [key, ...others] = session.selection;
    const entry = key === undefined || others.length || key === this.#finished ? null : this.#lacking(key);
    const categoryId = entry?.annotation.category_id ?? session.category;
    const count = categories.keypointsOf(categoryId).length;
    if (categoryId === null || !count || !session.isThere) return null;
    const known = entry ? pointsOf(entry.annotation) : [];
    const points = known.length === count ? known : Array(count).fill(null);
    const order = points.flatMap((point, i) => (point ? [] : [i]));
    return {image: session.id, key: entry?.key ?? null, categoryId, points, order, at: 0};
  }

  /**
   * The entry, where its category has keypoints of which it lacks some.
   * @param {Key} key
   * @returns {Entry | null}
   */
  #lacking(key) {
    const {session, categories} = this.context;
    const entry = session.entries.get(key);
    if (!entry || entry.broken || session.isLocked(entry)) return null;
    const count = categories.keypointsOf(entry.annotation.category_id ?? null).length;
    const points = pointsOf(entry.annotation);
    const isLacking = points.length ? points.length === count && points.includes(null) : count > 0;
    return isLacking ? entry : null;
  }

  /** @param {PointerInput} input */
  #press({x, y, button}) {
    const [left, top] = this.#inside([x, y]);
    this.#pressed = this.#put({x: left, y: top, visible: button === 2 ? 1 : 2});
  }

  /**
   * Gives whether it was taken.
   * @param {Keypoint | null} point
   */
  #put(point) {
    const {view} = this.context;
    this.#warned = false;
    if (!mayDraw(this.context)) return false;
    const making = this.#current;
    if (!making) {
      view.say(this.hint());
      return false;
    }
    if (making.at >= making.order.length) return false;
    making.points[making.order[making.at]] = point;
    making.at += 1;
    return true;
  }

  #drag() {
    const making = this.#making;
    const place = making ? making.order[making.at - 1] : -1;
    const point = making?.points[place];
    if (making && point && this.#ahead) making.points[place] = {...point, x: this.#ahead[0], y: this.#ahead[1]};
  }

  #letGo() {
    if (!this.#pressed) return;
    this.#pressed = false;
    this.#settle();
  }

  #settle() {
    const making = this.#making;
    if (making && making.at >= making.order.length) this.finish();
  }

  /** The press has turned out to be two fingers, or something else that places nothing. */
  #takeBackPressed() {
    if (this.#pressed) this.undo();
  }

  /** @param {Point} by */
  #moveAim([dx, dy]) {
    const {width, height} = frameOf(this.context.session.image);
    const middle = /** @type {Point} */ ([width, height].map((side) => (Number.isFinite(side) ? Math.round(side / 2) : 0)));
    const [x, y] = this.#aim ?? this.#ahead ?? middle;
    this.#aim = this.#inside([x + dx, y + dy]);
    this.show();
  }

  #escape() {
    const placed = this.#making?.at ?? 0;
    if (placed < 2 || this.#warned) return void this.drop();
    this.#warned = true;
    this.context.view.say(`Esc again gives up the ${placed} keypoints; Enter keeps them`);
  }

  /** @param {Point} point */
  #inside(point) {
    return inside(point, frameOf(this.context.session.image));
  }
}
