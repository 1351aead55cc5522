// Several shapes as one: where they lie together, how far all can be moved, and what of them fits another picture.

import {shift} from "../geometry/placing.js";
import {copyTexts} from "../net/json.js";
import {bounds, fitted, kindOf, moved} from "./registry.js";

/** @import {Annotation, Point} from "../types.js" */
/** @import {Bounds, Frame} from "./types.js" */

/**
 * The box around all of them, `null` where none has a place.
 * @param {Annotation[]} annotations
 * @returns {Bounds | null}
 */
export function boundsOfAll(annotations) {
  const all = annotations.flatMap((annotation) => {
    const around = bounds(annotation);
    return around ? [around] : [];
  });
  return all.length ? all.reduce((one, other) => [Math.min(one[0], other[0]), Math.min(one[1], other[1]), Math.max(one[2], other[2]), Math.max(one[3], other[3])]) : null;
}

/**
 * How far all of them can be moved: not over the picture's edge.
 * @param {Annotation[]} annotations
 * @param {Point} by
 * @param {Frame} frame
 * @returns {Point}
 */
export const together = (annotations, by, frame) =>
  annotations.reduce((/** @type {Point} */ [dx, dy], annotation) => {
    const around = bounds(annotation);
    return around ? shift(around, dx, dy, frame) : [dx, dy];
  }, by);

/**
 * An annotation at another place, box and area left to the server where they follow from what was moved.
 * @param {Annotation} annotation
 * @param {Point} by
 * @param {Frame} frame
 * @returns {Annotation}
 */
export function placed(annotation, [dx, dy], frame) {
  if (!dx && !dy) return annotation;
  const changes = moved(annotation, dx, dy, frame);
  const {bbox: _, area: __, ...rest} = annotation;
  return copyTexts(annotation, {...(kindOf(annotation) === "box" ? annotation : rest), ...changes});
}

/**
 * The annotation as it is in a picture of another size; `null` where nothing of it is in that.
 * @param {Annotation} annotation
 * @param {Frame} frame
 * @returns {Annotation | null}
 */
export function inFrame(annotation, frame) {
  const around = bounds(annotation);
  if (!around) return annotation;
  const [left, top, right, bottom] = around;
  if (right < 0 || bottom < 0 || left > frame.width || top > frame.height) return null;
  const changes = fitted(annotation, frame);
  return changes && copyTexts(annotation, {...annotation, ...changes});
}
