// The edge of a mask as rings along its pixels' sides, for a line around it. The mask is what an even-odd fill of the
// rings fills. Lines are not made smooth here.

import {pieces} from "./rle.js";

/** @import {Point} from "../types.js" */

/**
 * The rings around a mask and around its holes, in pixels; where two parts touch at a corner, they may share a ring.
 * @param {number[]} runs
 * @param {number} height
 * @returns {Point[][]}
 */
export function contour(runs, height) {
  const next = sides(pieces(runs, height));
  /** @type {Point[][]} */
  const rings = [];
  for (const [start, ends] of next) {
    while (ends.length) {
      const ring = [pointOf(start, height)];
      let at = /** @type {number} */ (ends.pop());
      for (; at !== start; at = /** @type {number} */ (next.get(at)?.pop())) ring.push(pointOf(at, height));
      rings.push(straightened(ring));
    }
  }
  return rings;

  /**
   * Where the sides that begin at a point end. The mask is to the right of each, so that as many end at a point as begin there.
   * @param {[column: number, top: number, bottom: number][]} all
   */
  function sides(all) {
    /** @type {Map<number, number[]>} */
    const found = new Map();
    const add = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ toX, /** @type {number} */ toY) => {
      const key = x * (height + 1) + y;
      const ends = found.get(key);
      const end = toX * (height + 1) + toY;
      if (ends) ends.push(end);
      else found.set(key, [end]);
    };
    for (const [column, before, after] of neighbours(all)) {
      for (const [top, bottom] of after) {
        add(column, top, column + 1, top);
        add(column + 1, bottom, column, bottom);
      }
      for (const [top, bottom] of difference(after, before)) add(column, bottom, column, top);
      for (const [top, bottom] of difference(before, after)) add(column, top, column, bottom);
    }
    return found;
  }
}

/** @typedef {[top: number, bottom: number]} Span */

/**
 * Each column that the mask touches, and the one behind it, with its spans and those of the column before.
 * @param {[column: number, top: number, bottom: number][]} all
 * @returns {[column: number, before: Span[], after: Span[]][]}
 */
function neighbours(all) {
  /** @type {Map<number, Span[]>} */
  const columns = new Map();
  for (const [column, top, bottom] of all) {
    const spans = columns.get(column);
    if (spans) spans.push([top, bottom]);
    else columns.set(column, [[top, bottom]]);
  }
  return [...new Set([...columns.keys()].flatMap((column) => [column, column + 1]))]
    .map((column) => [column, columns.get(column - 1) ?? [], columns.get(column) ?? []]);
}

/**
 * What is in `spans` and not in `others`; both in order.
 * @param {Span[]} spans
 * @param {Span[]} others
 */
function difference(spans, others) {
  /** @type {Span[]} */
  const left = [];
  let i = 0;
  for (const [top, bottom] of spans) {
    let from = top;
    while (i < others.length && others[i][1] <= top) i++;
    for (let j = i; j < others.length && others[j][0] < bottom; j++) {
      if (others[j][0] > from) left.push([from, others[j][0]]);
      from = Math.max(from, others[j][1]);
    }
    if (from < bottom) left.push([from, bottom]);
  }
  return left;
}

/** @type {(key: number, height: number) => Point} */
const pointOf = (key, height) => [Math.floor(key / (height + 1)), key % (height + 1)];

/**
 * Without the points in the middle of a straight line.
 * @param {Point[]} ring
 */
function straightened(ring) {
  return ring.filter(([x, y], i) => {
    const [before, after] = [ring[(i + ring.length - 1) % ring.length], ring[(i + 1) % ring.length]];
    return !((before[0] === x && after[0] === x) || (before[1] === y && after[1] === y));
  });
}
