// Places keypoints one after another, in the order of the category's names: those that the selected annotation has not yet, else
// those of a new one. Moving and hiding them later is the select tool's.
//
//   empty --a point, "not there"--> placing --the last one, Enter--> one change --> empty
//   placing --Backspace, undo--> one point less        placing --Escape, Escape--> empty

import {frameOf, inside} from "../geometry/placing.js";
import {withPoints} from "../shapes/keypoints.js";
import {arrowOf} from "./arrows.js";
import {ask} from "./asking.js";
import {mayDraw} from "./may_draw.js";

/** @import {Key, KeyInput, Point, PointerInput, Tool, ToolContext} from "../types.js" */
/** @import {Keypoint} from "../shapes/types.js" */
/** @import {Asking} from "./asking.js" */

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
    acts: [{name: "skip", title: "The keypoint is not there (v = 0)", text: "Not there", key: "s", icon: "none", can: () => placing.canPlace, run: () => placing.place(null)}],
  };
}

class Placing {
  /** @type {Asking | null} */
  #asking = null;
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
    return this.#asking?.isBegun ?? false;
  }

  get canPlace() {
    return Boolean(this.#current?.next);
  }

  /** @param {PointerInput} input */
  pointer(input) {
    if (input.kind === "cancel") return this.#takeBackPressed();
    this.#ahead = input.kind === "leave" ? null : this.#inside([input.x, input.y]);
    if (input.kind === "move") this.#aim = null;
    if (input.kind === "down" && input.button !== 1) this.#press(input);
    if (input.kind === "move" && this.#pressed && input.dragged && this.#ahead) this.#asking?.moveLast(...this.#ahead);
    if (input.kind === "up") this.#letGo();
    // A finger that was lifted is nowhere.
    if (input.kind === "up" && input.touch) this.#ahead = null;
    this.show();
  }

  /** @param {KeyInput} input */
  key(input) {
    const arrow = arrowOf(input);
    if (arrow && this.canPlace) this.#moveAim(arrow);
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
    if (!this.#asking?.takeBack()) return false;
    this.#pressed = this.#warned = false;
    this.show();
    return true;
  }

  /** Gives up all points; gives whether there was one. */
  drop() {
    const {isBegun} = this;
    this.#asking = this.#aim = null;
    this.#pressed = this.#warned = false;
    this.context.view.draft(null);
    return isBegun;
  }

  /** @param {Keypoint | null} point `null`: it is not there. */
  place(point) {
    this.#put(point);
    if (this.#asking?.isDone) this.finish();
    this.show();
  }

  /** What is placed is kept; what is not, is not there. */
  finish() {
    const {session, view} = this.context;
    const asking = this.#asking;
    if (!asking || !mayDraw(this.context)) return;
    if (asking.image !== session.id) return view.say("These keypoints were begun on another image: go back there to finish them, or press Esc twice to give them up");
    if (!asking.hasAny) return view.say("No keypoint is there: place one, or press Esc to give it up");
    const entry = asking.key === null ? null : session.entries.get(asking.key);
    if (entry === undefined) return view.say("The annotation that the keypoints are for is not there any more. Press Esc twice to give them up");
    const keypoints = withPoints(entry?.annotation ?? {}, asking.points);
    const key = entry?.key ?? session.add({keypoints}, asking.categoryId);
    if (key === null) return;
    if (entry) session.update(key, {keypoints});
    this.#finished = key;
    this.drop();
  }

  hint() {
    const {session, categories} = this.context;
    const asking = this.#current;
    if (asking?.isDone) return "All keypoints are answered: Enter keeps them, Backspace takes one back";
    if (!asking) {
      const {category} = session;
      return category === null ? "Add a category first: keypoints are those of a category" : `${categories.nameOf(category)} has no keypoints: name them in the category's dialog, or choose another category`;
    }
    const click = asking.key === null ? "Click" : `Selected ${categories.nameOf(asking.categoryId)}: click`;
    return `${click} ${wordsOf(asking)}; right click or a long press: hidden; S: not there; arrows and Enter place it too`;
  }

  show() {
    const {view} = this.context;
    const asking = this.#current;
    const at = this.#aim ?? (this.#pressed ? null : this.#ahead);
    if (!asking || !(asking.isBegun || at)) return view.draft(null);
    const words = asking.next && at ? {at, text: wordsOf(asking)} : undefined;
    view.draft({paths: [], handles: this.#aim ? [this.#aim] : [], keypoints: {points: [...asking.points], categoryId: asking.categoryId}, words});
  }

  /** What is in the making, or would be. */
  get #current() {
    if (!this.isBegun) this.#asking = ask(this.context, this.#finished);
    return this.#asking;
  }

  /** @param {PointerInput} input */
  #press(input) {
    const [x, y] = this.#inside([input.x, input.y]);
    this.#pressed = this.#put({x, y, visible: input.button === 2 ? 1 : 2});
  }

  /**
   * Gives whether it was taken.
   * @param {Keypoint | null} point
   */
  #put(point) {
    this.#warned = false;
    if (!mayDraw(this.context)) return false;
    const asking = this.#current;
    if (!asking) this.context.view.say(this.hint());
    return asking?.answer(point) ?? false;
  }

  #letGo() {
    const wasPressed = this.#pressed;
    this.#pressed = false;
    if (wasPressed && this.#asking?.isDone) this.finish();
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
    const placed = this.#asking?.count ?? 0;
    if (placed < 2 || this.#warned) return void this.drop();
    this.#warned = true;
    this.context.view.say(`Esc again gives up the ${placed} keypoints; Enter keeps them`);
  }

  /** @param {Point} point */
  #inside(point) {
    return inside(point, frameOf(this.context.session.image));
  }
}

/** "left elbow, 8 of 17". @param {Asking} asking */
const wordsOf = ({next}) => (next ? `${next.name}, ${next.number} of ${next.of}` : "");
