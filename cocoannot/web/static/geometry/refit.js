// A mask in a picture of another size: its pixels stay where they are, counted from the top left, and those beyond the edge are
// gone.

import {pieces} from "./rle.js";

/**
 * The runs of the mask in the other picture.
 * @param {number[]} runs
 * @param {[height: number, width: number]} from
 * @param {[height: number, width: number]} to
 */
export function refit(runs, [height], [tall, wide]) {
  /** @type {number[]} */
  const found = [];
  let position = 0;
  for (const [column, top, bottom] of pieces(runs, height)) {
    const end = Math.min(tall, bottom);
    if (column >= wide || top >= end) continue;
    const start = column * tall + top;
    if (start === position && found.length) found[found.length - 1] += end - top;
    else found.push(start - position, end - top);
    position = column * tall + end;
  }
  if (position < tall * wide) found.push(tall * wide - position);
  return found;
}
