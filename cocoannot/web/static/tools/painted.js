// What can be painted on, and as what a painted mask is kept: run lengths, or polygons where there is no hole and the user
// wants those.

import {outlined} from "../geometry/outline.js";
import * as rle from "../geometry/rle.js";
import {spansOf} from "../geometry/covering.js";
import {toRuns} from "../geometry/spans.js";
import {kindOf} from "../shapes/registry.js";

/** @import {Annotation, Polygon, Rle} from "../types.js" */
/** @import {Spans} from "../geometry/spans.js" */

/**
 * Gives the pixels of an annotation for a picture's size, which may throw a RangeError; `null` for what is no mask or polygon.
 * @param {Annotation} annotation
 * @returns {((size: [height: number, width: number]) => Spans) | null}
 */
export function paintable(annotation) {
  const kind = kindOf(annotation);
  const {segmentation} = annotation;
  return segmentation && (kind === "mask" || kind === "polygon") ? (size) => spansOf(segmentation, size) : null;
}

/**
 * `segmentation` is `null` where nothing is to be kept; `why` is for the user, where there is something to say.
 * @param {Spans} spans
 * @param {{polygons: boolean, like: Annotation | null, before?: Spans}} how `like`: what it was; `before`: what that covered.
 * @returns {{segmentation: Rle | Polygon[] | null, why?: string}}
 */
export function keptAs(spans, {polygons, like, before}) {
  const runs = toRuns(spans);
  if (runs.length < 2) return {segmentation: null, why: like ? "Nothing would be left: delete the annotation instead" : undefined};
  if (before && isSame(toRuns(before), runs)) return {segmentation: null};
  if (!polygons) return {segmentation: maskLike(like, runs, spans.size), why: like && kindOf(like) === "polygon" ? "The polygon is a mask now" : undefined};
  const {rings, holes} = outlined(spans);
  if (holes) return {segmentation: maskLike(like, runs, spans.size), why: "It has a hole, which polygons can't have: it is kept as a mask"};
  return {segmentation: rings.map((ring) => ring.flat())};
}

/** @type {(one: number[], other: number[]) => boolean} */
const isSame = (one, other) => one.length === other.length && one.every((run, i) => run === other[i]);

/**
 * Counts as a list where they were one.
 * @param {Annotation | null} like
 * @param {number[]} runs
 * @param {[height: number, width: number]} size
 * @returns {Rle}
 */
export function maskLike(like, runs, size) {
  const {segmentation} = like ?? {};
  const isList = segmentation !== undefined && !Array.isArray(segmentation) && Array.isArray(segmentation.counts);
  return {size, counts: isList ? runs : rle.encode(runs)};
}
