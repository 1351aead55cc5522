// Numbers that a hand makes: rounded, and kept inside the picture. Numbers that it did not touch keep their digits.

/** @import {Point} from "../types.js" */
/** @import {Bounds} from "./polygons.js" */

/** @typedef {{width: number, height: number}} Frame The picture's size in pixels. */

/**
 * The frame that an image's record gives; without edges where the record has no usable size.
 * @param {{width?: unknown, height?: unknown} | null} record
 * @returns {Frame}
 */
export const frameOf = (record) => ({width: sideOf(record?.width), height: sideOf(record?.height)});

const sideOf = (/** @type {unknown} */ value) => (typeof value === "number" && value >= 1 && Number.isFinite(value) ? value : Infinity);

/** To hundredths of a pixel: no hand is more exact. */
export const rounded = (/** @type {number} */ value) => Math.round(value * 100) / 100;

/** Without what adding floats leaves behind: 0.1 + 0.2 is 0.3. A coordinate has fewer digits than that. */
export const tidy = (/** @type {number} */ value) => Number(value.toFixed(8));

/** A number that is moved by so much; one that is not moved keeps all of its digits. @type {(value: number, by: number) => number} */
export const movedBy = (value, by) => (by ? tidy(value + by) : value);

/**
 * The point, rounded, or the nearest one in the picture.
 * @param {Point} point
 * @param {Frame} frame
 * @returns {Point}
 */
export const inside = ([x, y], {width, height}) => [rounded(Math.min(width, Math.max(0, x))), rounded(Math.min(height, Math.max(0, y)))];

/**
 * How far something can be moved: not over the picture's edge, and where it is beyond the edge already, no farther out.
 * @param {Bounds} bounds
 * @param {number} dx
 * @param {number} dy
 * @param {Frame} frame
 * @returns {[dx: number, dy: number]}
 */
export function shift([left, top, right, bottom], dx, dy, {width, height}) {
  const limited = (/** @type {number} */ by, /** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ side) =>
    Math.min(Math.max(0, side - high), Math.max(Math.min(0, -low), by));
  return [tidy(limited(rounded(dx), left, right, width)), tidy(limited(rounded(dy), top, bottom, height))];
}
