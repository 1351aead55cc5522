// The parts of a mask that do not touch, and its holes. Pixels that meet at a corner only do not touch; so a hole may leave
// a mask by a corner, and is none then.

import {combined, fromPieces} from "./spans.js";

/** @import {Piece, Spans} from "./spans.js" */

/**
 * Each part as a mask of its own.
 * @param {Spans} spans
 * @returns {Spans[]}
 */
export const parts = (spans) => partsOf(spans).map((pieces) => fromPieces(pieces, spans.size));

/** The pieces of each part. @param {Spans} spans */
export const partsOf = (spans) => grouped(spans, 0);

/**
 * The pieces of each hole: what is not of the mask, and can't be left to the picture's edge.
 * @param {Spans} spans
 */
export const holesOf = (spans) => grouped(inverted(spans), 1).filter((pieces) => !reachesEdge(pieces, spans.size));

/** @param {Spans} spans @returns {Spans} */
export function withoutHoles(spans) {
  // Pieces of different holes never touch in a column, but come in the order of the holes.
  const pieces = holesOf(spans).flat().sort(([x, top], [otherX, otherTop]) => x - otherX || top - otherTop);
  return pieces.length ? combined(spans, fromPieces(pieces, spans.size), "union") : spans;
}

/** @param {Spans} spans @returns {Spans} */
const inverted = ({size, columns}) => ({size, columns: columns.map((column) => between([0, ...column, size[0]]))});

/** Without spans of no length. @param {number[]} ends */
const between = (ends) => ends.filter((end, i) => ends[i ^ 1] !== end);

/**
 * @param {Piece[]} pieces
 * @param {[height: number, width: number]} size
 */
const reachesEdge = (pieces, [height, width]) => pieces.some(([x, top, bottom]) => x === 0 || x === width - 1 || top === 0 || bottom === height);

/**
 * Spans of neighbouring columns belong together where they share a row, with a `reach` of 1 also where they meet at a corner.
 * @param {Spans} spans
 * @param {0 | 1} reach
 * @returns {Piece[][]}
 */
function grouped({columns}, reach) {
  /** @type {number[]} Leads from each span to another one of its group, and in the end to the group's first. */
  const leaders = [];
  const leaderOf = (/** @type {number} */ id) => {
    while (leaders[id] !== id) id = leaders[id] = leaders[leaders[id]];
    return id;
  };
  /** @type {Piece[]} */
  const all = [];
  let start = 0;
  columns.forEach((column, x) => {
    const [before, startBefore] = [columns[x - 1] ?? [], start];
    start = all.length;
    for (let i = 0, j = 0; i < column.length; i += 2) {
      const id = all.push([x, column[i], column[i + 1]]) - 1;
      leaders.push(id);
      while (j < before.length && before[j + 1] + reach <= column[i]) j += 2;
      for (let k = j; k < before.length && before[k] < column[i + 1] + reach; k += 2) leaders[leaderOf(id)] = leaderOf(startBefore + k / 2);
    }
  });
  /** @type {Map<number, Piece[]>} */
  const groups = new Map();
  all.forEach((piece, id) => {
    const leader = leaderOf(id);
    const group = groups.get(leader);
    if (group) group.push(piece);
    else groups.set(leader, [piece]);
  });
  return [...groups.values()];
}
