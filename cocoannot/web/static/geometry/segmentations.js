// What can be made of the segmentations of annotations, polygons and masks alike: joined, cut from one another, cut along a
// line, one made the other. Polygons stay polygons where they can: one with a hole becomes a mask. It may take a while: the
// page asks for it by way of `heavy.js`.

import * as booleans from "./booleans.js";
import {maskOf, spansOf} from "./covering.js";
import {outlined} from "./outline.js";
import {contains, pointsOf} from "./polygons.js";
import * as regions from "./regions.js";
import {sidesOf, united} from "./slicing.js";
import * as spans from "./spans.js";

/** @import {Point, Polygon} from "../types.js" */
/** @import {Area} from "./booleans.js" */
/** @import {Segmentation, Size} from "./covering.js" */
/** @import {Operation} from "./spans.js" */

const isMask = (/** @type {Segmentation} */ segmentation) => !Array.isArray(segmentation);
const ringsOf = (/** @type {Segmentation} */ polygons) => /** @type {Polygon[]} */ (polygons).map(pointsOf);

/**
 * The first one with all the others put together, without them, or as far as one of them covers it; `null` where nothing is left.
 * @param {Segmentation} first
 * @param {Segmentation[]} others
 * @param {Operation} operation
 * @param {Size} size Of the picture.
 * @returns {Segmentation | null}
 */
export function combined(first, others, operation, size) {
  if ([first, ...others].some(isMask)) {
    const [one, ...rest] = [first, ...others].map((each) => spansOf(each, size));
    return maskOf(spans.combined(one, rest.reduce((all, other) => spans.combined(all, other, "union"), spans.empty(size)), operation));
  }
  return segmentationOf(booleans.combined(ringsOf(first), others.flatMap(ringsOf), operation), size);
}

/**
 * The pieces that a line cuts it into, the largest first; one where it cuts through nothing.
 * @param {Segmentation} segmentation
 * @param {Point[]} line
 * @param {Size} size
 * @returns {Segmentation[]}
 */
export function sliced(segmentation, line, size) {
  const {side, extensions} = sidesOf(line, size);
  if (isMask(segmentation)) {
    const [mask, half] = [spansOf(segmentation, size), spans.filledTogether([side], size)];
    const pieces = /** @type {const} */ (["intersection", "difference"]).flatMap((operation) => regions.parts(spans.combined(mask, half, operation)));
    const whole = united(pieces, extensions, spans.contains, (one, other) => spans.combined(one, other, "union"));
    return whole.sort((one, other) => spans.area(other) - spans.area(one)).map((each) => /** @type {Segmentation} */ (maskOf(each)));
  }
  return slicedPolygons(ringsOf(segmentation), side, extensions, size);
}

/**
 * @param {Point[][]} rings
 * @param {Point[]} side
 * @param {Point[]} extensions
 * @param {Size} size
 */
function slicedPolygons(rings, side, extensions, size) {
  const halves = /** @type {const} */ (["intersection", "difference"]).map((operation) => booleans.combined(rings, [side], operation));
  if (halves.some(({holes}) => holes.length)) throw new RangeError("these outlines can't be cut: one of their parts lies around another");
  const pieces = halves.flatMap((half) => half.rings.map((ring) => [ring]));
  const holds = (/** @type {Point[][]} */ piece, /** @type {Point} */ point) => piece.some((ring) => contains(ring, point));
  const whole = united(pieces, extensions, holds, (one, other) => booleans.combined(one, other, "union").rings);
  return whole.map((each) => /** @type {Segmentation} */ (flat(each))).sort((one, other) => areaOf(other, size) - areaOf(one, size));
}

/**
 * As a mask; `null` where it covers no pixel.
 * @param {Segmentation} segmentation
 * @param {Size} size
 */
export const toMask = (segmentation, size) => maskOf(spansOf(segmentation, size));

/**
 * As polygons; holes are filled, and counted. `null` where there is nothing.
 * @param {Segmentation} segmentation
 * @param {Size} size
 * @returns {{polygons: Polygon[], holes: number} | null}
 */
export function toPolygons(segmentation, size) {
  if (!isMask(segmentation)) return {polygons: /** @type {Polygon[]} */ (segmentation), holes: 0};
  const {rings, holes} = outlined(spansOf(segmentation, size));
  return rings.length ? {polygons: flat(rings), holes} : null;
}

/** In pixels or square pixels. @param {Segmentation} segmentation @param {Size} size */
export const areaOf = (segmentation, size) => spans.area(spansOf(segmentation, size));

/** @param {Area} area @param {Size} size @returns {Segmentation | null} */
function segmentationOf({rings, holes}, size) {
  if (holes.length) return maskOf(spans.filledTogether([...rings, ...holes], size));
  return rings.length ? flat(rings) : null;
}

/** @param {Point[][]} rings @returns {Polygon[]} */
const flat = (rings) => rings.map((ring) => ring.flat());
