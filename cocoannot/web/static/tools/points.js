// Outlines an object that a model of the server finds: by points in it, and points that are not. The outline is shown after each
// point, and kept with Enter.
//
//   empty --click, right click--> asking --the server's answer--> found --Enter--> an annotation
//                                   ^------click, Backspace-------/
//
// Of several questions only the newest counts.

import {serverOutlines} from "../assist/server_outlines.js";
import {ApiError, messageOf} from "../net/api.js";
import {frameOf, inside} from "../geometry/placing.js";
import {mayDraw} from "./may_draw.js";

/** @import {FoundShape} from "../assist/types.js" */
/** @import {Point, PointerInput, Tool, ToolContext} from "../types.js" */

/** @typedef {{at: Point, isInside: boolean}} Mark */

/** How long the arms of a point's sign are, by how near counts as "on it". */
const ARM = 1;

class PointsDrawing {
  /** @type {Mark[]} */
  marks = [];
  /** @type {FoundShape | null} */
  #found = null;
  /** Stands for the newest question. */
  #question = {};
  #isAsking = false;
  /** Enter was pressed before the answer was there. */
  #keeps = false;
  /** @type {PointerInput | null} */
  #pressed = null;
  #reach = 8;
  /** @type {number | null} The image that it is on. */
  #image = null;

  /** @param {ToolContext} context */
  constructor(context) {
    this.context = context;
  }

  hint() {
    if (!this.marks.length) return "Click on an object";
    if (this.#isAsking) return "The model looks for the object...";
    if (!this.#found) return "Nothing was found there: click on another place of the object; Backspace takes a point back";
    const sure = this.#found.score === null ? "" : ` (${Math.round(100 * this.#found.score)} % sure)`;
    return `Enter keeps it${sure}; click what is missing, right click or Alt+click what is too much; Backspace takes a point back`;
  }

  /** @param {PointerInput} input */
  pointer(input) {
    if (input.kind === "down") this.#pressed = mayDraw(this.context) ? input : null;
    else if (input.kind === "cancel" || (input.kind === "move" && input.dragged)) this.#pressed = null;
    else if (input.kind === "up" && this.#pressed) {
      const {button} = this.#pressed;
      this.#pressed = null;
      if (button !== 1) this.#mark(input, button === 0 && !input.alt);
    }
  }

  /** @param {string} key */
  key(key) {
    if (!this.marks.length) return false;
    if (key === "Enter") this.#keep();
    else if (key === "Backspace") this.undo();
    else if (key === "Escape") this.drop();
    else return false;
    return true;
  }

  undo() {
    if (!this.marks.pop()) return false;
    if (this.marks.some(({isInside}) => isInside)) void this.#ask();
    else this.drop();
    return true;
  }

  drop() {
    const any = this.marks.length > 0;
    [this.marks, this.#found, this.#keeps, this.#isAsking] = [[], null, false, false];
    this.#question = {};
    this.context.view.draft(null);
    return any;
  }

  /**
   * @param {PointerInput} input
   * @param {boolean} isInside
   */
  #mark({x, y, reach}, isInside) {
    const {session, view} = this.context;
    if (this.marks.length && this.#image !== session.id) this.drop();
    if (!isInside && !this.marks.length) return view.say("Click on the object first, then on what is too much");
    this.#image = session.id;
    this.#reach = reach;
    this.marks.push({at: inside([x, y], frameOf(session.image)), isInside});
    void this.#ask();
  }

  async #ask() {
    const question = (this.#question = {});
    const {session, view} = this.context;
    const of = (/** @type {boolean} */ wanted) => this.marks.filter(({isInside}) => isInside === wanted).map(({at}) => at);
    this.#isAsking = true;
    this.#show();
    try {
      const found = await serverOutlines.find(/** @type {number} */ (session.id), {inside: of(true), outside: of(false)});
      if (question !== this.#question) return;
      [this.#found, this.#isAsking] = [found, false];
    } catch (error) {
      if (question !== this.#question) return;
      if (error instanceof ApiError && error.status === 429) return void setTimeout(() => question === this.#question && this.#ask(), 1000 * error.wait);
      [this.#found, this.#isAsking] = [null, false];
      view.say(messageOf(error));
    }
    this.#show();
    if (this.#keeps) this.#keep();
  }

  #keep() {
    const {session, view} = this.context;
    this.#keeps = this.#isAsking;
    if (this.#isAsking) return;
    if (!this.#found) return view.say("There is no outline to keep: click on another place of the object");
    if (this.#image === session.id && mayDraw(this.context) && session.add(this.#found.shape) !== null) this.drop();
  }

  #show() {
    const rings = this.#found?.rings ?? [];
    const {category} = this.context.session;
    const signs = this.marks.flatMap(({at, isInside}) => (isInside ? plus : cross)(at, ARM * this.#reach));
    const paths = [...rings.map((points) => ({points, closed: true})), ...signs.map((points) => ({points, closed: false}))];
    this.context.view.draft({paths: paths.map((path) => ({...path, categoryId: category})), handles: []});
  }
}

/** @typedef {(at: Point, arm: number) => Point[][]} Sign */

/** @type {Sign} Of a point that is inside. */
const plus = ([x, y], arm) => [[[x - arm, y], [x + arm, y]], [[x, y - arm], [x, y + arm]]];
/** @type {Sign} Of one that is outside. */
const cross = ([x, y], arm) => [[[x - arm, y - arm], [x + arm, y + arm]], [[x - arm, y + arm], [x + arm, y - arm]]];

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const drawing = new PointsDrawing(context);
  return {
    name: "points", title: "Click an object", icon: "points",
    hint: () => drawing.hint(),
    cursor: () => "crosshair",
    activate: () => context.view.crosshair(false),
    cancel: () => drawing.drop(),
    pointer: (input) => drawing.pointer(input),
    key: ({key}) => drawing.key(key),
    undo: () => drawing.undo(),
    busy: () => drawing.marks.length > 0,
  };
}
