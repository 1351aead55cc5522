// All kinds of shapes in one place: which kind an annotation is, why it can't be drawn, and what can be done with it.
// Keypoints go along with whatever else the annotation has. Ask for the fault first: the rest takes it that there is none.

import {shift} from "../geometry/placing.js";
import {distance, pointsOf as cornersOf} from "../geometry/polygons.js";
import {box, flaw as boxFlaw} from "./box.js";
import {caption} from "./caption.js";
import {anyNear, carried, keypoints, makeTheBox, pointsOf, switched as switchedPoint} from "./keypoints.js";
import {mask} from "./mask.js";
import {flaw as ringFlaw, polygon} from "./polygon.js";

/** @import {Annotation, Point} from "../types.js" */
/** @import {Bounds, Changes, Frame, Handle, Kind, Outline, ShapeKind} from "./types.js" */

/** @type {Record<Kind, ShapeKind>} */
const KINDS = {box, polygon, mask, keypoints, caption};

/** Middles of edges that are shorter than this on the screen would hide the corners beside them. */
const ROOM_FOR_MIDDLE = 28;

const isThere = (/** @type {unknown} */ value) => value !== undefined && value !== null;
const isEmpty = (/** @type {unknown} */ value) => Array.isArray(value) && value.length === 0;

/**
 * What kind of shape an annotation is, or means to be where it has a fault; `null` where there is nothing.
 * @param {Annotation} annotation
 * @returns {Kind | null}
 */
export function kindOf(annotation) {
  const {segmentation, bbox} = annotation;
  if (isThere(segmentation) && !isEmpty(segmentation)) return typeof segmentation === "object" && !Array.isArray(segmentation) ? "mask" : "polygon";
  const points = isThere(annotation.keypoints) && !isEmpty(annotation.keypoints);
  if (isThere(bbox)) return points && !keypoints.fault(annotation) && !box.fault(annotation) && makeTheBox(annotation) ? "keypoints" : "box";
  if (points) return "keypoints";
  return isThere(annotation.caption) ? "caption" : null;
}

/**
 * Why an annotation can't be drawn, as "the box is text"; `null` where it can.
 * @param {Annotation} annotation
 */
export function fault(annotation) {
  const kind = kindOf(annotation);
  if (kind === null) return "it has no segmentation, box, keypoints or caption";
  return KINDS[kind].fault(annotation) ?? (hasKeypoints(annotation) ? keypoints.fault(annotation) : null);
}

/** @param {Annotation} annotation */
const shapeOf = (annotation) => KINDS[kindOf(annotation) ?? "caption"];

/** @param {Annotation} annotation */
const hasKeypoints = (annotation) => isThere(annotation.keypoints) && !isEmpty(annotation.keypoints);

/** Whether there are keypoints beside a shape of another kind. @param {Annotation} annotation */
const hasRiders = (annotation) => hasKeypoints(annotation) && kindOf(annotation) !== "keypoints";

/**
 * @param {Annotation} annotation
 * @returns {Outline}
 */
export function draw(annotation) {
  const outline = shapeOf(annotation).draw(annotation);
  return hasRiders(annotation) ? {...outline, keypoints: pointsOf(annotation)} : outline;
}

/**
 * The box around the shape, `null` where it has no place.
 * @param {Annotation} annotation
 * @returns {Bounds | null}
 */
export const bounds = (annotation) => shapeOf(annotation).bounds(annotation);

/**
 * Whether the shape is under the point, or at most `reach` pixels away from it.
 * @param {Annotation} annotation
 * @param {Point} point
 * @param {number} reach
 */
export const hit = (annotation, point, reach) =>
  shapeOf(annotation).hit(annotation, point, reach) || (hasRiders(annotation) && anyNear(annotation, point, reach));

/**
 * In square pixels, of the shape as it is; the record's `area` may be another.
 * @param {Annotation} annotation
 */
export const area = (annotation) => shapeOf(annotation).area(annotation);

/**
 * What decides which shape lies above, and which is hit first: the smaller one.
 * @param {Annotation} annotation
 */
export function size(annotation) {
  const around = bounds(annotation);
  return around ? (around[2] - around[0]) * (around[3] - around[1]) : Infinity;
}

/**
 * @param {Annotation} annotation
 * @returns {Handle[]}
 */
export const handles = (annotation) => [
  ...(hasRiders(annotation) ? keypoints.handles(annotation) : []),
  ...shapeOf(annotation).handles(annotation),
];

/**
 * The handles for which there is room where a pixel of the picture has `scale` pixels on the screen.
 * @param {Annotation} annotation
 * @param {number} scale
 */
export const handlesAt = (annotation, scale) => handles(annotation).filter(({room}) => room * scale >= ROOM_FOR_MIDDLE);

/**
 * The handle that is nearest to the point, at most `reach` pixels away; `null` where there is none. On a small shape it has
 * to be nearer, so that there is ground left to drag the whole of it by.
 * @param {Annotation} annotation
 * @param {Point} point
 * @param {number} reach
 * @param {number} scale
 */
export function handleAt(annotation, point, reach, scale) {
  const around = bounds(annotation);
  const within = around && hit(annotation, point, 0) ? Math.max(2 / scale, Math.min(reach, Math.min(around[2] - around[0], around[3] - around[1]) / 4)) : reach;
  /** @type {{handle: Handle, away: number} | null} */
  let best = null;
  for (const handle of handlesAt(annotation, scale)) {
    const away = distance(handle.at, point);
    if (away <= within && (!best || away < best.away)) best = {handle, away};
  }
  return best?.handle ?? null;
}

/**
 * What changes where the shape is moved, as far as the picture's edge lets it.
 * @param {Annotation} annotation
 * @param {number} dx
 * @param {number} dy
 * @param {Frame} frame
 * @returns {Changes}
 */
export function moved(annotation, dx, dy, frame) {
  const around = bounds(annotation);
  if (!around) return {};
  const whole = kindOf(annotation) === "mask";
  const [right, down] = shift(around, whole ? Math.round(dx) : dx, whole ? Math.round(dy) : dy, frame);
  const changes = shapeOf(annotation).moved(annotation, right, down, frame);
  return hasRiders(annotation) ? {...changes, keypoints: carried(annotation, right, down)} : changes;
}

/** The shape that a handle is of. @param {Annotation} annotation @param {Handle} handle */
const ownerOf = (annotation, handle) => (handle.kind === "keypoint" ? keypoints : shapeOf(annotation));

/**
 * What changes where a handle is dragged to a point.
 * @param {Annotation} annotation
 * @param {Handle} handle
 * @param {Point} point
 * @param {Frame} frame
 * @returns {Changes}
 */
export const reshaped = (annotation, handle, point, frame) =>
  ownerOf(annotation, handle).reshaped(annotation, handle, point, frame);

/**
 * What changes where a corner or a keypoint is taken away; `null` where it can't be.
 * @param {Annotation} annotation
 * @param {Handle} handle
 * @returns {Changes | null}
 */
export const withoutHandle = (annotation, handle) => ownerOf(annotation, handle).withoutHandle(annotation, handle);

/**
 * What changes where the right button is on a handle: a keypoint is hidden or seen, a corner is taken away.
 * @param {Annotation} annotation
 * @param {Handle} handle
 * @returns {Changes | null}
 */
export const switched = (annotation, handle) =>
  handle.kind === "keypoint" ? switchedPoint(annotation, handle.index) : withoutHandle(annotation, handle);

/**
 * What is other where the shape goes into a picture of another size; `null` where nothing of it would be left.
 * @param {Annotation} annotation
 * @param {Frame} frame
 * @returns {Changes | null}
 */
export const fitted = (annotation, frame) => {
  const shape = shapeOf(annotation);
  return shape.fitted && Number.isFinite(frame.width) && Number.isFinite(frame.height) ? shape.fitted(annotation, frame) : {};
};

/**
 * Why changes that a hand made can't be kept, `null` where they can. What was smaller before may stay so.
 * @param {Changes} changes
 * @param {Annotation} before
 */
export function flaw({bbox, segmentation}, before) {
  const old = Array.isArray(before.segmentation) ? before.segmentation : [];
  const rings = Array.isArray(segmentation) ? segmentation.filter((part) => !old.includes(part)) : [];
  return (bbox ? boxFlaw(bbox, before.bbox) : null) ?? rings.map((part) => ringFlaw(cornersOf(part))).find((why) => why) ?? null;
}
