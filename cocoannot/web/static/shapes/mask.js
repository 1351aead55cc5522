// Masks: `segmentation` is RLE, {size: [height, width], counts}. They are hit by their pixels and moved by whole ones;
// painting them is the brush's.

import {contour} from "../geometry/contour.js";
import {isNear} from "../geometry/polygons.js";
import {shift} from "../geometry/placing.js";
import {refit} from "../geometry/refit.js";
import * as rle from "../geometry/rle.js";

/** @import {Annotation, Point, Rle} from "../types.js" */
/** @import {Bounds, ShapeKind} from "./types.js" */

const rleOf = (/** @type {Annotation} */ {segmentation}) => /** @type {Rle} */ (segmentation);

/** @typedef {{runs: number[], box: Bounds | null, area: number, edge?: Point[][]}} Decoded */

/** @type {WeakMap<Rle, Decoded>} Annotations are never changed, only replaced. */
const known = new WeakMap();
/** @type {Map<string, Decoded>} By size and counts: what the server answers with is what was just drawn. */
const recent = new Map();
const MOST_RECENT = 16;

/** @param {Annotation} annotation */
function decoded(annotation) {
  const segmentation = rleOf(annotation);
  let found = known.get(segmentation);
  if (!found) {
    found = (typeof segmentation.counts === "string" ? recent.get(nameOf(segmentation)) : undefined) ?? read(segmentation);
    known.set(segmentation, found);
  }
  return found;
}

/** @param {Rle} segmentation @returns {Decoded} */
function read(segmentation) {
  const runs = rle.decode(segmentation);
  const found = {runs, box: rle.box(runs, segmentation.size[0]), area: rle.area(runs)};
  if (typeof segmentation.counts !== "string") return found;
  recent.set(nameOf(segmentation), found);
  // The first one was put in first.
  if (recent.size > MOST_RECENT) recent.delete(/** @type {string} */ (recent.keys().next().value));
  return found;
}

const nameOf = (/** @type {Rle} */ {size, counts}) => `${size} ${counts}`;

/** @type {ShapeKind} */
export const mask = {
  kind: "mask",

  fault(annotation) {
    try {
      decoded(annotation);
      return null;
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
  },

  draw(annotation) {
    const found = decoded(annotation);
    const {size} = rleOf(annotation);
    return {rings: [], mask: {runs: found.runs, size}, keypoints: [], edge: () => (found.edge ??= contour(found.runs, size[0]))};
  },

  bounds: (annotation) => decoded(annotation).box,

  hit(annotation, point, reach) {
    const {runs, box} = decoded(annotation);
    if (!box || !isNear(box, point, reach)) return false;
    // One that is smaller than a fingertip is hit anywhere, or it never would be.
    const tiny = box[2] - box[0] <= reach && box[3] - box[1] <= reach;
    return tiny || rle.contains(runs, rleOf(annotation).size, point);
  },

  area: (annotation) => decoded(annotation).area,

  handles: () => [],

  moved(annotation, dx, dy, frame) {
    const {runs, box} = decoded(annotation);
    const {size, counts} = rleOf(annotation);
    if (!box) return {};
    const [right, down] = shift(box, Math.round(dx), Math.round(dy), frame).map(Math.trunc);
    const shifted = rle.moved(runs, size, right, down);
    return {segmentation: {size, counts: typeof counts === "string" ? rle.encode(shifted) : shifted}};
  },

  reshaped: () => ({}),

  withoutHandle: () => null,

  fitted(annotation, {width, height}) {
    const {size, counts} = rleOf(annotation);
    if (size[0] === height && size[1] === width) return {};
    const runs = refit(decoded(annotation).runs, size, [height, width]);
    return rle.area(runs) ? {segmentation: {size: [height, width], counts: typeof counts === "string" ? rle.encode(runs) : runs}} : null;
  },
};
