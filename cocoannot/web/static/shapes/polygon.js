// Polygons: `segmentation` is a list of flat lists [x, y, x, y, ...], the parts of one object. Corners that nobody moves
// stay the numbers that they are. Parts are not joined, and holes are not known to COCO.

import {inside, movedBy, rounded, shift} from "../geometry/placing.js";
import {area, bounds, contains, isNear, nearestEdge, pointsOf} from "../geometry/polygons.js";
import * as numbers from "./numbers.js";

/** @import {Annotation, Point} from "../types.js" */
/** @import {Bounds, Handle, ShapeKind} from "./types.js" */

const partsOf = (/** @type {Annotation} */ {segmentation}) => /** @type {number[][]} */ (segmentation);

/** @type {WeakMap<number[][], {rings: Point[][], bounds: Bounds}>} Annotations are never changed, only replaced. */
const known = new WeakMap();

/** @param {Annotation} annotation */
function measured(annotation) {
  const parts = partsOf(annotation);
  let found = known.get(parts);
  if (!found) {
    const rings = parts.map(pointsOf);
    found = {rings, bounds: /** @type {Bounds} */ (bounds(rings.flat()))};
    known.set(parts, found);
  }
  return found;
}

/**
 * Why a ring that was drawn can't be kept, `null` where it can.
 * @param {Point[]} ring
 */
export const flaw = (ring) =>
  new Set(ring.map(String)).size < 3 || area(ring) < 1 ? "A polygon needs three corners and an area" : null;

/**
 * COCO's flat list.
 * @param {Point[]} ring
 */
export const flat = (ring) => ring.flat();

/**
 * A corner more on the nearest edge; `null` where none is within `reach` pixels.
 * @param {Annotation} annotation
 * @param {Point} point
 * @param {number} reach
 */
export function withCorner(annotation, point, reach) {
  const edges = measured(annotation).rings.map((ring, part) => ({...nearestEdge(ring, point), part}));
  const best = edges.reduce((one, other) => (other.distance < one.distance ? other : one));
  if (best.distance > reach) return null;
  const [x, y] = best.at;
  return {segmentation: partsOf(annotation).map((part, i) => (i === best.part ? part.toSpliced(2 * best.edge + 2, 0, rounded(x), rounded(y)) : part))};
}

/** @type {ShapeKind} */
export const polygon = {
  kind: "polygon",

  fault({segmentation}) {
    if (!Array.isArray(segmentation)) return `the segmentation is ${numbers.nameOf(segmentation)}, not a list of polygons`;
    if (segmentation.every((part) => typeof part === "number")) return "the segmentation is one flat list of numbers, not a list of polygons";
    for (const [i, part] of segmentation.entries()) {
      const what = segmentation.length === 1 ? "the polygon" : `polygon ${i + 1}`;
      const wrong = numbers.fault(part, what);
      if (wrong) return Array.isArray(part) && part.some(Array.isArray) ? `${what} is nested: it has lists where numbers should be` : wrong;
      if (part.length % 2) return `${what} has an odd number of coordinates (${part.length})`;
      if (part.length < 6) return `${what} has fewer than three corners`;
    }
    return null;
  },

  draw(annotation) {
    const {rings} = measured(annotation);
    return {rings, mask: null, keypoints: [], edge: () => rings};
  },

  bounds: (annotation) => measured(annotation).bounds,

  hit(annotation, point, reach) {
    const found = measured(annotation);
    if (!isNear(found.bounds, point, reach)) return false;
    return found.rings.some((ring) => contains(ring, point) || nearestEdge(ring, point).distance <= reach);
  },

  area: (annotation) => measured(annotation).rings.reduce((sum, ring) => sum + area(ring), 0),

  handles(annotation) {
    return measured(annotation).rings.flatMap((ring, part) =>
      ring.flatMap((corner, index) => {
        const next = ring[(index + 1) % ring.length];
        /** @type {Point} */
        const middle = [(corner[0] + next[0]) / 2, (corner[1] + next[1]) / 2];
        /** @type {Handle[]} */
        const handles = [
          {kind: "vertex", at: corner, ring: part, index, cursor: "move", room: Infinity},
          {kind: "middle", at: middle, ring: part, index, cursor: "copy", room: Math.hypot(next[0] - corner[0], next[1] - corner[1])},
        ];
        return handles;
      }));
  },

  moved(annotation, dx, dy, frame) {
    const [right, down] = shift(measured(annotation).bounds, dx, dy, frame);
    return {segmentation: partsOf(annotation).map((part) => part.map((value, i) => movedBy(value, i % 2 ? down : right)))};
  },

  reshaped(annotation, handle, point, frame) {
    const place = handle.kind === "middle" ? [2 * handle.index + 2, 0] : [2 * handle.index, 2];
    return {
      segmentation: partsOf(annotation).map((part, i) => (i === handle.ring ? part.toSpliced(place[0], place[1], ...inside(point, frame)) : part)),
    };
  },

  withoutHandle(annotation, handle) {
    if (handle.kind !== "vertex") return null;
    const parts = partsOf(annotation);
    // A part of two corners is none; the last part has to stay.
    if (parts[handle.ring].length > 6) return {segmentation: parts.map((part, i) => (i === handle.ring ? part.toSpliced(2 * handle.index, 2) : part))};
    return parts.length > 1 ? {segmentation: parts.toSpliced(handle.ring, 1)} : null;
  },
};
