// The edge of a mask as rings along its pixels' sides, for a line around it. The mask is what an even-odd fill of the
// rings fills. Lines are not made smooth here.
//
// A span of a column has two sides, its top and its bottom. Rings go along tops to the right and along bottoms to the left,
// so that the mask is to the right hand. What follows a side is found on the vertical line where the side ends: from top to
// bottom over all sides that begin or end there.

import {eachPiece} from "./rle.js";

/** @import {Point} from "../types.js" */

/**
 * The rings around a mask's parts, clockwise, and around its holes, counterclockwise, in pixels. Pixels that meet at a corner
 * only have rings of their own.
 * @param {number[]} runs
 * @param {number} height
 * @returns {Point[][]}
 */
export function contour(runs, height) {
  const sides = sidesOf(runs, height);
  const next = new Int32Array(sides.rows.length);
  for (const [x, start] of sides.starts) {
    link(next, sides, x, start);
    // Where a column without spans follows, nothing else would look at the line between.
    if (!sides.starts.has(x + 1)) link(next, sides, x + 1, undefined);
  }
  return traced(next, sides);
}

/**
 * Tops have even numbers and bottoms odd ones, column after column. `rows`: where each is; `columns`: of which column it is;
 * `starts`: the first one of each column that has any.
 * @typedef {{rows: Int32Array, columns: Int32Array, starts: Map<number, number>}} Sides
 */

/**
 * @param {number[]} runs
 * @param {number} height
 * @returns {Sides}
 */
function sidesOf(runs, height) {
  /** @type {number[]} */
  const rows = [];
  /** @type {number[]} */
  const columns = [];
  /** @type {Map<number, number>} */
  const starts = new Map();
  eachPiece(runs, height, (column, top, bottom) => {
    if (columns[columns.length - 1] !== column) starts.set(column, rows.length);
    rows.push(top, bottom);
    columns.push(column, column);
  });
  return {rows: Int32Array.from(rows), columns: Int32Array.from(columns), starts};
}

/**
 * Finds what follows the sides that end on the line between two columns.
 * @param {Int32Array} next
 * @param {Sides} sides
 * @param {number} x Of the column to the right of the line.
 * @param {number | undefined} start Its first side.
 */
function link(next, {rows, columns, starts}, x, start) {
  let left = starts.get(x - 1) ?? rows.length;
  let right = start ?? rows.length;
  const isOf = (/** @type {number} */ side, /** @type {number} */ column) => side < rows.length && columns[side] === column;
  // Along the line downwards: the side that a way down comes from, and the one that a way up leads to.
  let [from, to] = [-1, -1];
  // Whether the pixels above the place are of the mask.
  let [aboveLeft, aboveRight] = [false, false];
  while (isOf(left, x - 1) || isOf(right, x)) {
    const [leftRow, rightRow] = [isOf(left, x - 1) ? rows[left] : Infinity, isOf(right, x) ? rows[right] : Infinity];
    const row = Math.min(leftRow, rightRow);
    const leftSide = leftRow === row ? left++ : -1;
    const rightSide = rightRow === row ? right++ : -1;
    const [belowLeft, belowRight] = [leftSide < 0 ? aboveLeft : !aboveLeft, rightSide < 0 ? aboveRight : !aboveRight];
    // Tops of the left column and bottoms of the right one come here; the others begin here.
    const comes = leftSide >= 0 && belowLeft ? leftSide : rightSide >= 0 && aboveRight ? rightSide : -1;
    const begins = rightSide >= 0 && belowRight ? rightSide : leftSide >= 0 && aboveLeft ? leftSide : -1;
    const isFromAbove = aboveLeft && !aboveRight;
    const isUpwards = aboveRight && !aboveLeft;
    if (isFromAbove && belowRight && !belowLeft) {
      // Two pixels meet here by a corner: each way goes on around its own, to the right.
      next[from] = leftSide;
      to = rightSide;
    } else if (isUpwards && belowLeft && !belowRight) {
      next[rightSide] = to;
      from = leftSide;
    } else {
      const source = isFromAbove ? from : comes;
      const target = isUpwards ? to : begins;
      if (belowLeft && !belowRight) from = source;
      else if (belowRight && !belowLeft) to = target;
      else if (source >= 0) next[source] = target;
    }
    [aboveLeft, aboveRight] = [belowLeft, belowRight];
  }
}

/**
 * @param {Int32Array} next
 * @param {Sides} sides
 */
function traced(next, {rows, columns}) {
  /** @type {Point[][]} */
  const rings = [];
  const isDone = new Uint8Array(next.length);
  for (let first = 0; first < next.length; first++) {
    if (isDone[first]) continue;
    /** @type {Point[]} */
    const ring = [];
    let side = first;
    do {
      isDone[side] = 1;
      const after = next[side];
      // Sides in one line are one.
      if (rows[side] !== rows[after]) {
        const end = columns[side] + (side % 2 ? 0 : 1);
        ring.push([end, rows[side]], [end, rows[after]]);
      }
      side = after;
    } while (side !== first);
    rings.push(ring);
  }
  return rings;
}
