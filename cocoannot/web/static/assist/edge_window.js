// Following edges in a large picture: only the part around the points in question is looked at, and kept for the next question.

import {edgesOf} from "../geometry/edges.js";
import {fewer, middle, snapped, WEAK, Wire} from "../geometry/live_wire.js";

/** @import {Point} from "../types.js" */
/** @import {Edges} from "../geometry/edges.js" */
/** @import {EdgeAnswer, EdgeQuestion} from "./types.js" */

/** Half of the part's side, in pixels; a way that is longer goes straight on from its edge. */
const HALF = 600;
/** How near to the part's edge a point may come before another part is taken. */
const MARGIN = 60;
/** A line may be so many pixels beside the way that was found, to have fewer corners. */
const TOLERANCE = 0.6;

/**
 * The size of a picture, and the colours of a part of it.
 * @typedef {{width: number, height: number, colours: (left: number, top: number, width: number, height: number) => ArrayLike<number>}} Pixels
 */

/** @typedef {{left: number, top: number, edges: Edges}} Part */

export class EdgeWindow {
  #pixels;
  /** @type {Part | null} */
  #part = null;
  /** @type {{x: number, y: number, wire: Wire} | null} In the part. */
  #wire = null;

  /** @param {Pixels} pixels */
  constructor(pixels) {
    this.#pixels = pixels;
  }

  /**
   * @param {Pick<EdgeQuestion, "from" | "to" | "reach">} question
   * @returns {EdgeAnswer}
   */
  answer({from, to, reach}) {
    const {left, top, edges} = this.#around(from ?? to, to);
    const [x, y] = snapped(edges, [to[0] - left, to[1] - top], reach);
    const [edgeX, edgeY] = middle(edges, x, y);
    /** @type {Point} */
    const at = edges.strength[y * edges.width + x] > WEAK ? [edgeX + left, edgeY + top] : to;
    if (!from) return {at, way: [at]};
    const way = this.#wireFrom(from).to(x, y).map((point) => /** @type {Point} */ ([point[0] + left, point[1] + top]));
    return {at, way: fewer([from, ...way.slice(1, -1), at], TOLERANCE)};
  }

  /**
   * The part with both points well in it, as far as the picture goes; where they are too far apart, the first one in its middle.
   * @param {Point} first
   * @param {Point} second
   */
  #around(first, second) {
    if (this.#part && this.#has(first) && this.#has(second)) return this.#part;
    const {width, height, colours} = this.#pixels;
    const [left, right] = [Math.max(0, Math.floor(first[0]) - HALF), Math.min(width, Math.floor(first[0]) + HALF)];
    const [top, bottom] = [Math.max(0, Math.floor(first[1]) - HALF), Math.min(height, Math.floor(first[1]) + HALF)];
    const size = /** @type {const} */ ([Math.max(1, right - left), Math.max(1, bottom - top)]);
    this.#wire = null;
    return (this.#part = {left, top, edges: edgesOf(colours(left, top, ...size), ...size)});
  }

  /** @param {Point} point */
  #has([x, y]) {
    const {left, top, edges} = /** @type {Part} */ (this.#part);
    const {width, height} = this.#pixels;
    const isWithin = (/** @type {number} */ at, /** @type {number} */ start, /** @type {number} */ side, /** @type {number} */ all) =>
      (start === 0 || at >= start + MARGIN) && (start + side === all || at < start + side - MARGIN);
    return isWithin(x, left, edges.width, width) && isWithin(y, top, edges.height, height);
  }

  /** @param {Point} from */
  #wireFrom(from) {
    const {left, top, edges} = /** @type {Part} */ (this.#part);
    const x = Math.min(edges.width - 1, Math.max(0, Math.floor(from[0]) - left));
    const y = Math.min(edges.height - 1, Math.max(0, Math.floor(from[1]) - top));
    if (this.#wire?.x !== x || this.#wire.y !== y) this.#wire = {x, y, wire: new Wire(edges, x, y)};
    return this.#wire.wire;
  }
}
