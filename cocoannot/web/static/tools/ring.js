// The making of a ring, corner by corner, for the tools that draw polygons; what becomes of it is theirs.
//
//   empty --press--> drawing --press on the first corner, double click, Enter--> onClose(ring) --kept?--> empty or drawing
//   drawing --Backspace, undo--> one corner less        drawing --Escape, Escape--> empty
//
// Where it follows edges, a corner beside another shape goes onto its edge, and two on one edge bring all that lie between.

import {frameOf, inside} from "../geometry/placing.js";
import {distance, withoutRepeats} from "../geometry/polygons.js";
import {flaw} from "../shapes/polygon.js";
import {cornersBetween, footholdAt} from "./follow.js";
import {mayDraw} from "./may_draw.js";

/** @import {Draft, KeyInput, Point, PointerInput, ToolAct, ToolContext} from "../types.js" */
/** @import {Foothold} from "./follow.js" */

export class Ring {
  /** @type {Point[]} */
  corners = [];
  /** @type {Point[]} Where the pointer is, after what lies between. */
  #ahead = [];
  /** Corners go onto the edges of other shapes; with Ctrl it is the other way round. */
  #follows = false;
  /** @type {{count: number, foothold: Foothold | null}[]} For each press, how many corners it brought, and the edge that it was on. */
  #presses = [];
  /** The corner that was pressed last follows the pointer until it is let go. */
  #pressed = false;
  /** Escape was pressed once. */
  #warned = false;
  /** @type {number | null} The image that the corners are on. */
  #image = null;

  /**
   * @param {ToolContext} context
   * @param {(ring: Point[]) => boolean} onClose Gives whether the ring was taken; else it stays in the making.
   * @param {() => number | null} category
   */
  constructor(context, onClose, category) {
    this.context = context;
    this.onClose = onClose;
    this.category = category;
  }

  /** @param {PointerInput} input */
  pointer(input) {
    if (input.kind === "cancel") return this.#takeBackPressed();
    this.#ahead = input.kind === "leave" ? [] : this.#brought(input).corners;
    if (input.kind === "down" && input.button === 0) this.#press(input);
    // One on an edge stays there, however the hand trembles.
    if (input.kind === "move" && this.#pressed && input.dragged && !this.#presses.at(-1)?.foothold) this.corners[this.corners.length - 1] = this.#place(input);
    if (input.kind === "up") this.#pressed = false;
    if (input.kind === "double") this.#closeByDoubleClick(input);
    this.show();
  }

  /** @param {KeyInput} input */
  key({key}) {
    if (!this.corners.length) return false;
    if (key === "Enter") this.close();
    else if (key === "Backspace") this.undo();
    else if (key === "Escape") this.#escape();
    else return false;
    return true;
  }

  /** One corner back; gives whether there was one. */
  undo() {
    if (!this.corners.length) return false;
    this.corners.length -= this.#presses.pop()?.count ?? 1;
    this.#warned = this.#pressed = false;
    this.show();
    return true;
  }

  /** Gives up all corners; gives whether there was one. */
  drop() {
    const any = this.corners.length > 0;
    this.corners = [];
    this.#presses = [];
    this.#pressed = this.#warned = false;
    this.context.view.draft(null);
    return any;
  }

  /** @returns {ToolAct[]} */
  get acts() {
    return [{
      name: "follow", title: "Corners go onto the edges of other shapes, and follow them; or hold Ctrl", text: "Follow a neighbour", key: "w", icon: "magnet",
      can: () => true, pressed: () => this.#follows, run: () => (this.#follows = !this.#follows),
    }];
  }

  close() {
    const {session, view} = this.context;
    const ring = withoutRepeats(this.corners);
    const why = flaw(ring);
    this.#pressed = false;
    if (why) view.say(why);
    else if (this.#image !== session.id) view.say("The polygon was begun on another image: go back there to finish it, or press Esc twice to give it up");
    else if (mayDraw(this.context) && this.onClose(ring)) this.drop();
  }

  show() {
    const {corners} = this;
    if (!corners.length) return this.context.view.draft(null);
    const points = this.#pressed ? [...corners] : [...corners, ...this.#ahead];
    /** @type {Draft} */
    const draft = {paths: [{points, closed: false, categoryId: this.category()}], handles: [...corners]};
    this.context.view.draft(draft);
  }

  /** @param {PointerInput} input */
  #press(input) {
    this.#warned = false;
    if (this.corners.length >= 3 && distance(this.corners[0], [input.x, input.y]) <= input.reach) return this.close();
    if (!mayDraw(this.context)) return;
    if (!this.corners.length) this.#image = this.context.session.id;
    const {corners, foothold} = this.#brought(input);
    this.corners.push(...corners);
    this.#presses.push({count: corners.length, foothold});
    this.#pressed = true;
  }

  /**
   * The second click of a double click has put a corner beside the first one's.
   * @param {PointerInput} input
   */
  #closeByDoubleClick(input) {
    if (this.corners.length < 2) return;
    const [before, last] = this.corners.slice(-2);
    if (distance(before, last) <= input.reach) this.undo();
    if (this.corners.length >= 3) this.close();
  }

  /** What a press there would bring. @param {PointerInput} input @returns {{corners: Point[], foothold: Foothold | null}} */
  #brought(input) {
    const foothold = input.ctrl === this.#follows ? null : footholdAt(this.context.session, [input.x, input.y], input.reach);
    if (!foothold) return {corners: [this.#place(input)], foothold};
    const before = this.#presses.at(-1)?.foothold;
    const between = before ? cornersBetween(before, foothold) : null;
    return {corners: [...(between ?? []), inside(foothold.at, frameOf(this.context.session.image))], foothold};
  }

  /** The press has turned out to be two fingers, or something else that draws nothing. */
  #takeBackPressed() {
    if (this.#pressed) this.undo();
  }

  #escape() {
    if (this.corners.length < 2 || this.#warned) return void this.drop();
    this.#warned = true;
    this.context.view.say(`Esc again gives up the ${this.corners.length} corners; Enter closes the polygon`);
  }

  /** @param {PointerInput} input */
  #place({x, y}) {
    return inside([x, y], frameOf(this.context.session.image));
  }
}
