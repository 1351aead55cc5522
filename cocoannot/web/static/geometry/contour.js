// The edge of a mask as rings along its pixels' sides, for a line around it. The mask is what an even-odd fill of the
// rings fills. Lines are not made smooth here.

import {pieces} from "./rle.js";

/** @import {Point} from "../types.js" */

/**
 * The rings around a mask's parts, clockwise, and around its holes, counterclockwise, in pixels. Pixels that meet at a corner
 * only have rings of their own.
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
      const first = /** @type {number} */ (ends.pop());
      const ring = [pointOf(start, height)];
      for (let [before, at] = [start, first]; ; ) {
        const after = next.get(at) ?? [];
        // The side that the ring began with is taken away already, and is one of those to choose from.
        const end = turned(before, at, at === start ? [...after, first] : after);
        if (at === start && end === first) break;
        after.splice(after.indexOf(end), 1);
        ring.push(pointOf(at, height));
        [before, at] = [at, end];
      }
      rings.push(straightened(ring));
    }
  }
  return rings;

  /**
   * Where to go on: to the right, around the same pixel, where there is a choice.
   * @param {number} before
   * @param {number} at
   * @param {number[]} ends
   */
  function turned(before, at, ends) {
    if (ends.length === 1) return ends[0];
    const [[x1, y1], [x2, y2]] = [pointOf(before, height), pointOf(at, height)];
    const isRight = (/** @type {number} */ end) => {
      const [x, y] = pointOf(end, height);
      return (x2 - x1) * (y - y2) - (y2 - y1) * (x - x2) > 0;
    };
    return ends.find(isRight) ?? ends[0];
  }

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
