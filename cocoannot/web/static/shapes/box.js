// Boxes: `bbox` is [x, y, width, height]. A number that nobody moves stays the number that it is.

import {inside, movedBy, shift, tidy} from "../geometry/placing.js";
import {isNear} from "../geometry/polygons.js";
import * as numbers from "./numbers.js";

/** @import {Annotation, Point} from "../types.js" */
/** @import {Bounds, Handle, ShapeKind} from "./types.js" */

const CORNER_CURSORS = ["nwse-resize", "nesw-resize", "nwse-resize", "nesw-resize"];
const EDGE_CURSORS = ["ns-resize", "ew-resize", "ns-resize", "ew-resize"];

/**
 * Why a box that was drawn can't be kept, `null` where it can. A side that was shorter before may stay so.
 * @param {number[]} bbox
 * @param {number[]} [before]
 */
export const flaw = ([, , width, height], before = [0, 0, 1, 1]) =>
  width >= Math.min(1, before[2]) && height >= Math.min(1, before[3]) && width > 0 && height > 0 ? null : "A box needs at least one pixel each way";

/**
 * The box between two points, `[x, y, width, height]`.
 * @param {Point} one
 * @param {Point} other
 * @returns {[number, number, number, number]}
 */
export const between = ([x1, y1], [x2, y2]) => [Math.min(x1, x2), Math.min(y1, y2), tidy(Math.abs(x2 - x1)), tidy(Math.abs(y2 - y1))];

/**
 * The corners of a box, clockwise from the top left.
 * @param {Bounds} bounds
 * @returns {[Point, Point, Point, Point]}
 */
export const corners = ([left, top, right, bottom]) => [[left, top], [right, top], [right, bottom], [left, bottom]];

const bboxOf = (/** @type {Annotation} */ {bbox}) => /** @type {[number, number, number, number]} */ (bbox);

/**
 * @param {Annotation} annotation
 * @returns {Bounds}
 */
function bounds(annotation) {
  const [x, y, width, height] = bboxOf(annotation);
  return [x, y, x + width, y + height];
}

/**
 * One side of the box after `low` or `high` was dragged to `value`; where both are, to the other side, it is turned over.
 * @param {[start: number, length: number]} side
 * @param {"low" | "high" | null} which
 * @param {number} value
 * @returns {[start: number, length: number]}
 */
function stretched([start, length], which, value) {
  if (which === null) return [start, length];
  if (which === "high" && value >= start) return [start, tidy(value - start)];
  const still = which === "low" ? start + length : start;
  return [tidy(Math.min(still, value)), tidy(Math.abs(value - still))];
}

/** @type {ShapeKind} */
export const box = {
  kind: "box",

  fault({bbox}) {
    const wrong = numbers.fault(bbox, "the box");
    if (wrong || !bbox) return wrong ?? "there is no box";
    if (bbox.length !== 4) return `the box has ${bbox.length} numbers, not four`;
    return bbox[2] < 0 || bbox[3] < 0 ? "the box has a negative width or height" : null;
  },

  draw(annotation) {
    const rings = [[...corners(bounds(annotation))]];
    return {rings, mask: null, keypoints: [], edge: () => rings};
  },

  bounds,

  hit: (annotation, point, reach) => isNear(bounds(annotation), point, reach),

  area: (annotation) => bboxOf(annotation)[2] * bboxOf(annotation)[3],

  handles(annotation) {
    const all = corners(bounds(annotation));
    return all.flatMap((corner, index) => {
      const next = all[(index + 1) % 4];
      /** @type {Handle[]} */
      const handles = [
        {kind: "corner", at: corner, ring: 0, index, cursor: CORNER_CURSORS[index], room: Infinity},
        {
          kind: "edge", at: [(corner[0] + next[0]) / 2, (corner[1] + next[1]) / 2], ring: 0, index, cursor: EDGE_CURSORS[index],
          room: Math.abs(next[0] - corner[0] + next[1] - corner[1]),
        },
      ];
      return handles;
    });
  },

  moved(annotation, dx, dy, frame) {
    const [x, y, width, height] = bboxOf(annotation);
    const [right, down] = shift(bounds(annotation), dx, dy, frame);
    return {bbox: [movedBy(x, right), movedBy(y, down), width, height]};
  },

  reshaped(annotation, handle, point, frame) {
    const [x, y, width, height] = bboxOf(annotation);
    const [toX, toY] = inside(point, frame);
    const corner = handle.kind === "corner";
    const horizontal = corner ? (handle.index === 0 || handle.index === 3 ? "low" : "high") : handle.index === 3 ? "low" : handle.index === 1 ? "high" : null;
    const vertical = corner ? (handle.index < 2 ? "low" : "high") : handle.index === 0 ? "low" : handle.index === 2 ? "high" : null;
    const [left, across] = stretched([x, width], horizontal, toX);
    const [top, down] = stretched([y, height], vertical, toY);
    return {bbox: [left, top, across, down]};
  },

  withoutHandle: () => null,
};
