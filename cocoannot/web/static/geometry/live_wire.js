// Following edges between two points of a picture: "intelligent scissors", after Mortensen and Barrett, "Intelligent Scissors for
// Image Composition" (SIGGRAPH 1995). Where pixels come from, and who asks, is not known here.
//
//   what each pixel costs to go through: little on edges --Wire--> the cheapest way from pixel to pixel
//
// The cost of a step is that of the paper: how far the pixel is from being a zero crossing of the Laplacian, how weak its gradient
// is, and how much the step turns away from the edge's direction.

import {MOST} from "./edges.js";
import {nearestOnSegment} from "./polygons.js";

/** @import {Point} from "../types.js" */
/** @import {Edges} from "./edges.js" */

/** The share that turning has of the costs, in the paper; those of zero crossing and gradient are in `edges.js`. */
const DIRECTION = 0.14;
/** More than a step costs at most: a diagonal one costs 1.42 times as much as `MOST`. */
const BUCKETS = 256;
/** An edge of this strength is none to go to. */
export const WEAK = 0.2;

/** @type {[dx: number, dy: number][]} */
const STEPS = [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]];

/** The cheapest ways from one pixel to all others, found as far as they are asked for (Dijkstra's, with a queue of buckets). */
export class Wire {
  #edges;
  #cost;
  /** For each pixel where the way comes from, as an index; -1 where that is not known. */
  #before;
  #isSettled;
  /** @type {number[][]} Pixels that were reached, by what they cost, modulo their number. */
  #buckets = Array.from({length: BUCKETS}, () => []);
  #at = 0;
  #waiting = 1;

  /**
   * @param {Edges} edges
   * @param {number} x of a pixel
   * @param {number} y
   */
  constructor(edges, x, y) {
    const count = edges.width * edges.height;
    this.#edges = edges;
    this.#cost = new Uint32Array(count).fill(0xffffffff);
    this.#before = new Int32Array(count).fill(-1);
    this.#isSettled = new Uint8Array(count);
    const start = y * edges.width + x;
    this.#cost[start] = 0;
    this.#buckets[0].push(start);
  }

  /**
   * The way to a pixel, both ends included, along the edge's middle, in the picture's coordinates: pixel 0 goes from 0 to 1.
   * @param {number} x
   * @param {number} y
   * @returns {Point[]}
   */
  to(x, y) {
    const {width} = this.#edges;
    const end = y * width + x;
    this.#settle(end);
    /** @type {Point[]} */
    const way = [];
    for (let i = end; i >= 0; i = this.#before[i]) way.push(middle(this.#edges, i % width, Math.floor(i / width)));
    return way.reverse();
  }

  /** @param {number} end */
  #settle(end) {
    while (!this.#isSettled[end] && this.#waiting) {
      const bucket = this.#buckets[this.#at % BUCKETS];
      const i = bucket.pop();
      if (i === undefined) {
        this.#at += 1;
        continue;
      }
      this.#waiting -= 1;
      if (this.#isSettled[i]) continue;
      this.#isSettled[i] = 1;
      this.#reach(i);
    }
  }

  /** @param {number} i */
  #reach(i) {
    const {width, height} = this.#edges;
    const [x, y] = [i % width, Math.floor(i / width)];
    for (const [dx, dy] of STEPS) {
      if (x + dx < 0 || y + dy < 0 || x + dx >= width || y + dy >= height) continue;
      const next = i + dy * width + dx;
      if (this.#isSettled[next]) continue;
      const cost = this.#cost[i] + step(this.#edges, i, next, dx, dy);
      if (cost >= this.#cost[next]) continue;
      this.#cost[next] = cost;
      this.#before[next] = i;
      this.#buckets[cost % BUCKETS].push(next);
      this.#waiting += 1;
    }
  }
}

/**
 * The pixel on the strongest edge near a point, for a hand that has missed it; the point's own where no edge is near.
 * @param {Edges} edges
 * @param {Point} point
 * @param {number} reach In pixels.
 * @returns {[x: number, y: number]}
 */
export function snapped({width, height, strength}, [x, y], reach) {
  const [column, row] = [limited(Math.floor(x), width), limited(Math.floor(y), height)];
  let best = /** @type {[x: number, y: number]} */ ([column, row]);
  let most = WEAK;
  for (let j = Math.max(0, Math.ceil(row - reach)); j <= Math.min(height - 1, row + reach); j++) {
    for (let i = Math.max(0, Math.ceil(column - reach)); i <= Math.min(width - 1, column + reach); i++) {
      const far = Math.hypot(i - column, j - row);
      // Of edges that are alike, the nearer one.
      const worth = strength[j * width + i] - (0.3 * far) / (reach || 1);
      if (far <= reach && worth > most) [best, most] = [[i, j], worth];
    }
  }
  return best;
}

/**
 * As few of the points of a line as keep it within `tolerance` pixels (Ramer, 1972; Douglas and Peucker, 1973); its ends stay.
 * @param {Point[]} line
 * @param {number} tolerance
 * @returns {Point[]}
 */
export function fewer(line, tolerance) {
  if (line.length < 3) return line;
  const keeps = new Uint8Array(line.length);
  keeps[0] = keeps[line.length - 1] = 1;
  const spans = [[0, line.length - 1]];
  for (let span = spans.pop(); span; span = spans.pop()) {
    const [first, last] = span;
    let [far, most] = [-1, tolerance];
    for (let i = first + 1; i < last; i++) {
      const [x, y] = nearestOnSegment(line[i], line[first], line[last]);
      const distance = Math.hypot(line[i][0] - x, line[i][1] - y);
      if (distance > most) [far, most] = [i, distance];
    }
    if (far < 0) continue;
    keeps[far] = 1;
    spans.push([first, far], [far, last]);
  }
  return line.filter((_, i) => keeps[i]);
}

/** @type {(index: number, count: number) => number} */
const limited = (index, count) => Math.min(count - 1, Math.max(0, index));

/**
 * What a step from a pixel to one beside it costs.
 * @param {Edges} edges
 * @param {number} from
 * @param {number} to
 * @param {number} dx
 * @param {number} dy
 */
function step({cost, alongX, alongY}, from, to, dx, dy) {
  const length = dx && dy ? Math.SQRT2 : 1;
  let here = (alongX[from] * dx + alongY[from] * dy) / (127 * length);
  let there = (alongX[to] * dx + alongY[to] * dy) / (127 * length);
  // An edge has no sense: the one is chosen in which the step goes with it.
  if (here < 0) [here, there] = [-here, -there];
  const turns = (2 / (3 * Math.PI)) * (Math.acos(Math.min(1, here)) + Math.acos(Math.max(-1, Math.min(1, there))));
  return 1 + Math.round((cost[to] + MOST * DIRECTION * turns) * length);
}

/**
 * Where the edge is within a pixel, or beside it by half a pixel: at the top of the parabola through its strength and those of the
 * pixels before and behind, across the edge.
 * @param {Edges} edges
 * @param {number} x
 * @param {number} y
 * @returns {Point}
 */
export function middle({width, height, strength, alongX, alongY}, x, y) {
  const i = y * width + x;
  const isAcrossX = Math.abs(alongY[i]) >= Math.abs(alongX[i]);
  const [at, count, next] = isAcrossX ? [x, width, 1] : [y, height, width];
  let off = 0;
  if (strength[i] > 0 && at > 0 && at < count - 1) {
    const [before, here, behind] = [strength[i - next], strength[i], strength[i + next]];
    const bend = before - 2 * here + behind;
    if (bend < 0) off = Math.max(-0.5, Math.min(0.5, (0.5 * (before - behind)) / bend));
  }
  return isAcrossX ? [x + 0.5 + off, y + 0.5] : [x + 0.5, y + 0.5 + off];
}
