// Draws an outline along the edges of the picture: a click keeps the line that follows the edge from the point before.
//
//   empty --click--> following --click--> ... --Enter, double click, click on the first point--> a polygon
//   following --Backspace, undo--> one point less        following --Escape, Escape--> empty
//
// Finding a way takes its time: what the hand does meanwhile is done in order, when the way before is known.

import {EdgeFollower} from "../assist/edge_follower.js";
import {frameOf, inside} from "../geometry/placing.js";
import {distance, withoutRepeats} from "../geometry/polygons.js";
import {flat, flaw} from "../shapes/polygon.js";
import {mayDraw} from "./may_draw.js";

/** @import {ImageRecord, Point, PointerInput, Tool, ToolContext} from "../types.js" */

/** @typedef {{at: Point, way: Point[]}} Part A point that was clicked, with the way to it from the one before. */

/** In the picture's pixels: a click farther from an edge does not mean it, however small the picture is shown. */
const MOST_REACH = 24;

class WireDrawing {
  /** @type {Part[]} */
  parts = [];
  /** @type {Point[]} From the last point to the pointer. */
  #ahead = [];
  /** @type {PointerInput | null} */
  #pressed = null;
  #warned = false;
  /** @type {ImageRecord | null} The image that it is on. */
  #image = null;
  #follower = new EdgeFollower();
  /** What was clicked is done one after another. */
  #work = Promise.resolve();
  #waiting = 0;
  /** Another one when everything is given up: what is still found then is for nothing. */
  #drawing = {};
  #isBlind = false;

  /** @param {ToolContext} context */
  constructor(context) {
    this.context = context;
  }

  get isBusy() {
    return this.parts.length + this.#waiting > 0;
  }

  prepare() {
    if (this.context.session.image) this.#follower.prepare(this.context.session.image);
  }

  /** @param {PointerInput} input */
  pointer(input) {
    if (input.kind === "down" && input.button === 0) {
      this.#warned = false;
      this.#pressed = mayDraw(this.context) ? input : null;
    } else if (input.kind === "cancel") this.#pressed = null;
    else if (input.kind === "leave") this.#lookAhead(null);
    else if (input.kind === "move") this.#lookAhead(input);
    else if (input.kind === "double") this.#later(() => this.#closeByDoubleClick(input));
    else if (input.kind === "up" && input.button === 0 && this.#pressed) {
      this.#pressed = null;
      this.#later(() => this.#click(input));
    }
  }

  /** @param {string} key */
  key(key) {
    if (!this.isBusy) return false;
    if (key === "Enter") this.#later(() => this.#close());
    else if (key === "Backspace") this.undo();
    else if (key === "Escape") this.#escape();
    else return false;
    return true;
  }

  undo() {
    if (!this.isBusy) return false;
    this.#later(async () => {
      this.parts.pop();
      this.#ahead = [];
    });
    return true;
  }

  drop() {
    const {isBusy} = this;
    [this.parts, this.#ahead, this.#pressed, this.#warned] = [[], [], null, false];
    this.#drawing = {};
    this.context.view.draft(null);
    return isBusy;
  }

  #show() {
    if (!this.parts.length) return this.context.view.draft(null);
    const points = [...this.parts.flatMap(({way}) => way), ...this.#ahead];
    this.context.view.draft({paths: [{points, closed: false, categoryId: this.context.session.category}], handles: this.parts.map(({at}) => at)});
  }

  /** @param {() => Promise<unknown>} act */
  #later(act) {
    const drawing = this.#drawing;
    this.#waiting += 1;
    this.#work = this.#work.then(async () => {
      if (drawing === this.#drawing) await act();
      this.#waiting -= 1;
      if (drawing === this.#drawing) this.#show();
    });
  }

  /** @param {PointerInput} input */
  async #click(input) {
    const {session} = this.context;
    const [first] = this.parts;
    if (this.parts.length >= 2 && distance(first.at, [input.x, input.y]) <= input.reach) return this.#close();
    if (first && this.#image?.id !== session.id) return this.#sayOtherImage();
    this.#image = session.image;
    const drawing = this.#drawing;
    const part = await this.#part(input);
    if (!part || drawing !== this.#drawing) return;
    this.parts.push(part);
    this.#ahead = [];
  }

  /**
   * The next point, on the edge near to where the pointer is, and the way to it. With Alt, it is there and the way straight.
   * @param {Pick<PointerInput, "x" | "y" | "reach" | "alt">} input
   * @param {{isPassing?: boolean}} [how]
   * @returns {Promise<Part | null>}
   */
  async #part({x, y, reach, alt}, {isPassing = false} = {}) {
    const {image} = this.context.session;
    const from = this.parts.at(-1)?.at ?? null;
    const to = inside([x, y], frameOf(image));
    const straight = {at: to, way: from ? [from, to] : [to]};
    if (alt || this.#isBlind || !image) return straight;
    try {
      return await this.#follower.follow(image, {from, to, reach: Math.min(MOST_REACH, reach)}, {isPassing});
    } catch (error) {
      this.#isBlind = true;
      this.context.view.say(`Edges can't be followed here (${/** @type {Error} */ (error).message}): lines are straight`);
      return straight;
    }
  }

  /** The line to the pointer is only shown. @param {PointerInput | null} input */
  async #lookAhead(input) {
    if (!input || !this.parts.length || this.#waiting) {
      if (!input) this.#ahead = [];
      if (!input && this.parts.length) this.#show();
      return;
    }
    const [drawing, count] = [this.#drawing, this.parts.length];
    const part = await this.#part(input, {isPassing: true});
    if (!part || drawing !== this.#drawing || count !== this.parts.length || this.#waiting) return;
    this.#ahead = part.way;
    this.#show();
  }

  /**
   * The second click of a double click has put a point beside the first one's.
   * @param {PointerInput} input
   */
  async #closeByDoubleClick(input) {
    const [before, last] = this.parts.slice(-2);
    if (last && distance(before.at, last.at) <= input.reach) this.parts.pop();
    if (this.parts.length >= 2) await this.#close();
  }

  async #close() {
    const {session, view} = this.context;
    const [first] = this.parts;
    if (!first) return;
    if (this.#image?.id !== session.id) return this.#sayOtherImage();
    const drawing = this.#drawing;
    const last = await this.#part({x: first.at[0], y: first.at[1], reach: 0, alt: false});
    if (!last || drawing !== this.#drawing) return;
    const frame = frameOf(session.image);
    const ring = withoutRepeats([...this.parts.flatMap(({way}) => way), ...last.way.slice(0, -1)].map((point) => inside(point, frame)));
    const why = flaw(ring);
    if (why) view.say(why);
    else if (mayDraw(this.context) && session.add({segmentation: [flat(ring)]}) !== null) this.drop();
  }

  #sayOtherImage() {
    this.context.view.say("The outline was begun on another image: go back there to finish it, or press Esc twice to give it up");
  }

  #escape() {
    if (this.parts.length < 2 || this.#warned) return void this.drop();
    this.#warned = true;
    this.context.view.say(`Esc again gives up the outline with its ${this.parts.length} points; Enter closes it`);
  }

  /** Another image, another picture. */
  begin() {
    this.#isBlind = false;
    this.prepare();
  }
}

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const drawing = new WireDrawing(context);
  const {session, view} = context;
  session.on("state", () => session.tool === "wire" && drawing.begin());
  return {
    name: "wire", title: "Follow edges", icon: "wire",
    hint: () => drawing.isBusy
      ? "Click to keep the line; Alt for a straight one; Backspace takes one back; Enter or a click on the first point closes"
      : "Click on an edge: the line follows it to the pointer",
    cursor: () => "crosshair",
    activate() {
      drawing.begin();
      view.crosshair(true);
    },
    cancel: () => drawing.drop(),
    pointer: (input) => drawing.pointer(input),
    key: ({key}) => drawing.key(key),
    undo: () => drawing.undo(),
    busy: () => drawing.isBusy,
  };
}
