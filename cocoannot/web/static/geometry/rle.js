// Masks as run lengths (COCO's RLE): read, write, measure, move, follow their edge. Nothing is painted here, so the
// work grows with the runs and the columns that they touch, never with the picture.
//
// Pixels are counted down the columns, from the top left one; runs of background and mask take turns. The compressed
// text is that of pycocotools (`rleToString` and `rleFrString` in `common/maskApi.c` of cocodataset/cocoapi).

/** @import {Point, Rle} from "../types.js" */

/** No difference between two counts of 32 bits needs more characters of five bits. */
const MOST_CHARACTERS = 7;

/**
 * The runs of a mask, in pixels. Throws an error that says what is wrong with it.
 * @param {Rle} mask
 * @returns {number[]}
 */
export function decode({size, counts}) {
  if (!Array.isArray(size) || size.length !== 2 || !size.every((side) => Number.isInteger(side) && side > 0)) {
    throw new RangeError("the mask has no size of two whole numbers");
  }
  if (counts === undefined || counts === null) throw new RangeError("the mask has no counts");
  if (typeof counts !== "string" && !Array.isArray(counts)) throw new RangeError("the mask's counts are neither a text nor a list");
  const runs = typeof counts === "string" ? decompress(counts) : counts;
  if (!runs.every((length) => Number.isInteger(length) && length >= 0)) throw new RangeError("the mask's counts are not all whole numbers from 0 up");
  const pixels = runs.reduce((sum, length) => sum + length, 0);
  if (pixels !== size[0] * size[1]) throw new RangeError(`the mask's counts are for ${pixels} pixels and its size for ${size[0] * size[1]}`);
  return runs;
}

/**
 * From the third run on the text has differences to the run before the last.
 * @param {string} text
 */
function decompress(text) {
  /** @type {number[]} */
  const runs = [];
  for (let at = 0; at < text.length; ) {
    let [value, weight, bits, first] = [0, 1, 32, at];
    while (bits & 32) {
      bits = text.charCodeAt(at++) - 48;
      // `charCodeAt` beyond the end is NaN, which is on neither side.
      if (!(bits >= 0 && bits < 64) || at - first > MOST_CHARACTERS) throw new RangeError("the mask's counts are no text of run lengths");
      value += (bits & 31) * weight;
      weight *= 32;
    }
    if (bits & 16) value -= weight;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

/**
 * The compressed text of runs.
 * @param {number[]} runs
 */
export function encode(runs) {
  let text = "";
  runs.forEach((length, i) => {
    let value = i > 2 ? length - runs[i - 2] : length;
    for (let more = true; more; ) {
      const low = ((value % 32) + 32) % 32;
      value = (value - low) / 32;
      more = low & 16 ? value !== -1 : value !== 0;
      text += String.fromCharCode(48 + low + (more ? 32 : 0));
    }
  });
  return text;
}

/**
 * Pixels of the mask.
 * @param {number[]} runs
 */
export const area = (runs) => runs.reduce((sum, length, i) => (i % 2 ? sum + length : sum), 0);

/**
 * Whether the pixel that holds the point belongs to the mask.
 * @param {number[]} runs
 * @param {[height: number, width: number]} size
 * @param {Point} point
 */
export function contains(runs, [height, width], [x, y]) {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (column < 0 || row < 0 || column >= width || row >= height) return false;
  let left = column * height + row;
  for (let i = 0; i < runs.length; i++) {
    left -= runs[i];
    if (left < 0) return i % 2 === 1;
  }
  return false;
}

/**
 * The mask's pieces, column by column: rows from `top` to before `bottom`. Two pieces of a column never touch.
 * @param {number[]} runs
 * @param {number} height
 * @returns {[column: number, top: number, bottom: number][]}
 */
export function pieces(runs, height) {
  /** @type {[number, number, number][]} */
  const found = [];
  eachPiece(runs, height, (column, top, bottom) => found.push([column, top, bottom]));
  return found;
}

/**
 * Visits the pieces one after another, for those who keep them in another way.
 * @param {number[]} runs
 * @param {number} height
 * @param {(column: number, top: number, bottom: number) => unknown} visit
 */
export function eachPiece(runs, height, visit) {
  let [start, position] = [-1, 0];
  const close = (/** @type {number} */ end) => {
    for (let at = start; at < end; ) {
      const column = Math.floor(at / height);
      const stop = Math.min(end, (column + 1) * height);
      visit(column, at - column * height, stop - column * height);
      at = stop;
    }
  };
  runs.forEach((length, i) => {
    // A background of no pixels ends nothing.
    if (i % 2 === 0 && length > 0 && start >= 0) {
      close(position);
      start = -1;
    }
    if (i % 2 === 1 && length > 0 && start < 0) start = position;
    position += length;
  });
  if (start >= 0) close(position);
}

/**
 * `[left, top, right, bottom]` of the mask, in pixels; `null` for an empty one.
 * @param {number[]} runs
 * @param {number} height
 * @returns {[number, number, number, number] | null}
 */
export function box(runs, height) {
  const all = pieces(runs, height);
  if (!all.length) return null;
  let [top, bottom] = [Infinity, -Infinity];
  for (const [, from, to] of all) {
    top = Math.min(top, from);
    bottom = Math.max(bottom, to);
  }
  return [all[0][0], top, all[all.length - 1][0] + 1, bottom];
}

/**
 * The runs of a mask that is moved by whole pixels; what leaves the picture is gone.
 * @param {number[]} runs
 * @param {[height: number, width: number]} size
 * @param {number} dx
 * @param {number} dy
 */
export function moved(runs, [height, width], dx, dy) {
  /** @type {number[]} */
  const found = [0];
  let position = 0;
  for (const [column, from, to] of pieces(runs, height)) {
    const [x, top, bottom] = [column + dx, Math.max(0, from + dy), Math.min(height, to + dy)];
    if (x < 0 || x >= width || top >= bottom) continue;
    const start = x * height + top;
    if (start === position && found.length % 2 === 0) found[found.length - 1] += bottom - top;
    else if (found.length === 1) found.splice(0, 1, start, bottom - top);
    else found.push(start - position, bottom - top);
    position = x * height + bottom;
  }
  if (position < height * width) {
    if (found.length === 1) found[0] = height * width;
    else found.push(height * width - position);
  }
  return found;
}
