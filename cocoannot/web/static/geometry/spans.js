// Masks to work on: for each column of the picture the rows that belong to it. What is done to a part of a mask costs as
// much as the columns that it touches, never as much as the picture. Nothing here is changed in place.
//
// A pixel belongs to a shape where its middle does.

import {pieces} from "./rle.js";

/** @import {Point} from "../types.js" */

/** @typedef {number[]} Column Rows from `top` to before `bottom`: [top, bottom, top, bottom, ...], in order; two never touch. */
/** @typedef {{size: [height: number, width: number], columns: Column[]}} Spans One column for each of the picture's. */
/** @typedef {[x: number, top: number, bottom: number]} Piece Of one column. */
/** @typedef {"union" | "difference" | "intersection"} Operation */

/** @type {Record<Operation, (one: boolean, other: boolean) => boolean>} */
const KEEPS = {
  union: (one, other) => one || other,
  difference: (one, other) => one && !other,
  intersection: (one, other) => one && other,
};
/** @type {Column} */
const NOTHING = [];

/**
 * @param {[height: number, width: number]} size
 * @returns {Spans}
 */
export const empty = (size) => ({size, columns: Array(size[1]).fill(NOTHING)});

/**
 * @param {number[]} runs
 * @param {[height: number, width: number]} size
 */
export const fromRuns = (runs, size) => fromPieces(pieces(runs, size[0]), size);

/**
 * @param {Piece[]} all In the order of their columns and rows; two never touch.
 * @param {[height: number, width: number]} size
 */
export function fromPieces(all, size) {
  const spans = empty(size);
  for (const [x, top, bottom] of all) {
    if (spans.columns[x] === NOTHING) spans.columns[x] = [top, bottom];
    else spans.columns[x].push(top, bottom);
  }
  return spans;
}

/** @param {Spans} spans @returns {number[]} */
export function toRuns({size: [height, width], columns}) {
  /** @type {number[]} */
  const runs = [0];
  // Runs of background and mask take turns: the last one is of the mask where their number is even.
  let end = 0;
  columns.forEach((column, x) => {
    for (let i = 0; i < column.length; i += 2) {
      const [top, bottom] = [x * height + column[i], x * height + column[i + 1]];
      if (top === end && runs.length % 2 === 0) runs[runs.length - 1] += bottom - top;
      else if (runs.length === 1) runs.splice(0, 1, top, bottom - top);
      else runs.push(top - end, bottom - top);
      end = bottom;
    }
  });
  if (runs.length === 1) return [height * width];
  if (end < height * width) runs.push(height * width - end);
  return runs;
}

/**
 * @param {Spans} one
 * @param {Spans} other Of the same size.
 * @param {Operation} operation
 * @returns {Spans}
 */
export const combined = (one, other, operation) => ({
  size: one.size,
  columns: one.columns.map((column, x) => combinedColumn(column, other.columns[x], operation)),
});

/**
 * @param {Column} one
 * @param {Column} other
 * @param {Operation} operation
 * @returns {Column}
 */
export function combinedColumn(one, other, operation) {
  if (!other.length) return operation === "intersection" ? NOTHING : one;
  if (!one.length) return operation === "union" ? other : NOTHING;
  const keeps = KEEPS[operation];
  /** @type {Column} */
  const found = [];
  for (let i = 0, j = 0; i < one.length || j < other.length; ) {
    const at = Math.min(one[i] ?? Infinity, other[j] ?? Infinity);
    if (one[i] === at) i++;
    if (other[j] === at) j++;
    // An odd number of ends was passed: this is inside.
    if (keeps(i % 2 === 1, j % 2 === 1) !== (found.length % 2 === 1)) found.push(at);
  }
  return found.length ? found : NOTHING;
}

/** Pixels. @param {Spans} spans */
export const area = ({columns}) => columns.reduce((sum, column) => sum + lengthOf(column), 0);

const lengthOf = (/** @type {Column} */ column) => column.reduce((sum, end, i) => (i % 2 ? sum + end : sum - end), 0);

/** Whether the pixel that holds the point belongs to it. @param {Spans} spans @param {Point} point */
export function contains({columns}, [x, y]) {
  const column = columns[Math.floor(x)];
  const row = Math.floor(y);
  return column !== undefined && column.some((top, i) => i % 2 === 0 && row >= top && row < column[i + 1]);
}

/**
 * What a round pen paints on its way along the points.
 * @param {Spans} spans
 * @param {Point[]} points
 * @param {number} radius In pixels.
 * @param {"union" | "difference"} operation
 * @returns {Spans}
 */
export function stroked({size, columns}, points, radius, operation) {
  const result = [...columns];
  points.forEach((point, i) => {
    if (i === 0 && points.length > 1) return;
    const before = points[Math.max(0, i - 1)];
    for (const [x, top, bottom] of capsule(before, point, radius, size)) result[x] = combinedColumn(result[x], [top, bottom], operation);
  });
  return {size, columns: result};
}

/**
 * The pixels with a middle at most `radius` away from the line between two points, column by column.
 * @param {Point} from
 * @param {Point} to
 * @param {number} radius
 * @param {[height: number, width: number]} size
 * @returns {Piece[]}
 */
export function capsule([x1, y1], [x2, y2], radius, [height, width]) {
  /** @type {Piece[]} */
  const found = [];
  const length = Math.hypot(x2 - x1, y2 - y1);
  // Beside the line, of the lengths of 1 and of the radius.
  const [sideX, sideY] = length ? [((y1 - y2) / length) * radius, ((x2 - x1) / length) * radius] : [0, 0];
  /** @type {Point[]} */
  const band = length ? [[x1 + sideX, y1 + sideY], [x2 + sideX, y2 + sideY], [x2 - sideX, y2 - sideY], [x1 - sideX, y1 - sideY]] : [];
  const first = Math.max(0, Math.ceil(Math.min(x1, x2) - radius - 0.5));
  const last = Math.min(width - 1, Math.floor(Math.max(x1, x2) + radius - 0.5));
  for (let x = first; x <= last; x++) {
    let [low, high] = [Infinity, -Infinity];
    for (const [centerX, centerY] of [[x1, y1], [x2, y2]]) {
      const half = Math.sqrt(radius * radius - (x + 0.5 - centerX) ** 2);
      // NaN where the circle does not reach the column.
      if (half >= 0) [low, high] = [Math.min(low, centerY - half), Math.max(high, centerY + half)];
    }
    for (const y of crossings(band, x + 0.5)) [low, high] = [Math.min(low, y), Math.max(high, y)];
    const [top, bottom] = [Math.max(0, Math.ceil(low - 0.5)), Math.min(height, Math.floor(high - 0.5) + 1)];
    if (top < bottom) found.push([x, top, bottom]);
  }
  return found;
}

/**
 * Where a vertical line crosses a ring.
 * @param {Point[]} ring
 * @param {number} x
 */
function crossings(ring, x) {
  return ring.flatMap(([x1, y1], i) => {
    const [x2, y2] = ring[(i + 1) % ring.length];
    return x1 > x === x2 > x ? [] : [y1 + ((x - x1) / (x2 - x1)) * (y2 - y1)];
  });
}

/**
 * What rings enclose, each by the even-odd rule, together: what COCO means by a list of polygons.
 * @param {Point[][]} rings
 * @param {[height: number, width: number]} size
 */
export const filled = (rings, size) => rings.reduce((all, ring) => combined(all, filledTogether([ring], size), "union"), empty(size));

/**
 * What rings enclose by the even-odd rule, so that a ring in another one is a hole.
 * @param {Point[][]} rings
 * @param {[height: number, width: number]} size
 * @returns {Spans}
 */
export function filledTogether(rings, [height, width]) {
  /** @type {number[][]} */
  const crossed = Array.from({length: width}, () => []);
  for (const ring of rings) {
    ring.forEach(([x1, y1], i) => {
      const [x2, y2] = ring[(i + 1) % ring.length];
      const first = Math.max(0, Math.ceil(Math.min(x1, x2) - 0.5));
      const last = Math.min(width - 1, Math.ceil(Math.max(x1, x2) - 0.5) - 1);
      for (let x = first; x <= last; x++) crossed[x].push(y1 + ((x + 0.5 - x1) / (x2 - x1)) * (y2 - y1));
    });
  }
  return {size: [height, width], columns: crossed.map((ys) => columnBetween(ys, height))};
}

/**
 * The rows between each crossing and the next one.
 * @param {number[]} ys
 * @param {number} height
 */
function columnBetween(ys, height) {
  if (!ys.length) return NOTHING;
  ys.sort((one, other) => one - other);
  /** @type {Column} */
  const column = [];
  for (let i = 0; i + 1 < ys.length; i += 2) {
    const [top, bottom] = [Math.max(0, Math.ceil(ys[i] - 0.5)), Math.min(height, Math.ceil(ys[i + 1] - 0.5))];
    if (top >= bottom) continue;
    if (column.length && column[column.length - 1] === top) column[column.length - 1] = bottom;
    else column.push(top, bottom);
  }
  return column;
}
