// Keypoints: `keypoints` is [x, y, v, x, y, v, ...]; v is 0 (not labelled), 1 (labelled, but hidden) or 2 (to be seen).
// They may be all that an annotation has, or go along with its box, polygons or mask.

import {inside, movedBy, shift} from "../geometry/placing.js";
import {bounds, distance, isNear} from "../geometry/polygons.js";
import {corners} from "./box.js";
import * as numbers from "./numbers.js";

/** @import {Annotation, Point} from "../types.js" */
/** @import {Keypoint, ShapeKind} from "./types.js" */

const flatOf = (/** @type {Annotation} */ {keypoints}) => keypoints ?? [];

/**
 * One for each name of the category, `null` where it is not labelled.
 * @param {Annotation} annotation
 * @returns {(Keypoint | null)[]}
 */
export function pointsOf(annotation) {
  const flat = flatOf(annotation);
  return Array.from({length: flat.length / 3}, (_, i) => (flat[3 * i + 2] ? {x: flat[3 * i], y: flat[3 * i + 1], visible: flat[3 * i + 2]} : null));
}

/**
 * The list of an annotation with other points. Numbers of those that are the same stay; one that is not there is 0, 0, 0.
 * @param {Pick<Annotation, "keypoints">} annotation
 * @param {(Keypoint | null)[]} points
 */
export function withPoints({keypoints: flat = []}, points) {
  return points.flatMap((point, i) => (point ? [point.x, point.y, point.visible] : flat[3 * i + 2] === 0 ? flat.slice(3 * i, 3 * i + 3) : [0, 0, 0]));
}

/**
 * The places of those that are labelled.
 * @param {Annotation} annotation
 * @returns {Point[]}
 */
const labelled = (annotation) => pointsOf(annotation).flatMap((point) => (point ? [/** @type {Point} */ ([point.x, point.y])] : []));

/**
 * Moved by exactly so much, wherever that is; what is not labelled stays where it is.
 * @param {Annotation} annotation
 * @param {number} dx
 * @param {number} dy
 */
export function carried(annotation, dx, dy) {
  const flat = flatOf(annotation);
  const by = [dx, dy, 0];
  return flat.map((value, i) => (i % 3 === 2 || !flat[i - (i % 3) + 2] ? value : movedBy(value, by[i % 3])));
}

/**
 * Whether the box is no more than the one around the points, which the server makes of them.
 * @param {Annotation} annotation
 */
export function makeTheBox(annotation) {
  const around = bounds(labelled(annotation));
  if (!Array.isArray(annotation.bbox) || !around) return false;
  const [x, y, width, height] = annotation.bbox;
  return [x - around[0], y - around[1], x + width - around[2], y + height - around[3]].every((difference) => Math.abs(difference) < 1e-6);
}

/** @type {ShapeKind} */
export const keypoints = {
  kind: "keypoints",

  fault({keypoints: flat}) {
    const wrong = numbers.fault(flat, "the list of keypoints");
    if (wrong || !flat) return wrong ?? "there are no keypoints";
    if (flat.length % 3) return `the list of keypoints has ${flat.length} numbers, not three for each (x, y, v)`;
    return flat.every((value, i) => i % 3 !== 2 || [0, 1, 2].includes(value)) ? null : "the list of keypoints has a v that is not 0, 1 or 2";
  },

  draw(annotation) {
    const around = bounds(labelled(annotation));
    return {rings: [], mask: null, keypoints: pointsOf(annotation), edge: () => (around ? [[...corners(around)]] : [])};
  },

  bounds: (annotation) => bounds(labelled(annotation)),

  hit(annotation, point, reach) {
    const around = bounds(labelled(annotation));
    return around !== null && isNear(around, point, reach);
  },

  area(annotation) {
    const around = bounds(labelled(annotation));
    return around ? (around[2] - around[0]) * (around[3] - around[1]) : 0;
  },

  handles: (annotation) =>
    pointsOf(annotation).flatMap((point, index) =>
      point ? [{kind: "keypoint", at: [point.x, point.y], ring: 0, index, cursor: "move", room: Infinity}] : []),

  moved(annotation, dx, dy, frame) {
    const around = bounds(labelled(annotation));
    return around ? {keypoints: carried(annotation, ...shift(around, dx, dy, frame))} : {};
  },

  reshaped: (annotation, handle, point, frame) => ({keypoints: flatOf(annotation).toSpliced(3 * handle.index, 2, ...inside(point, frame))}),

  withoutHandle(annotation, {index}) {
    const points = pointsOf(annotation).with(index, null);
    return points.some(Boolean) ? {keypoints: withPoints(annotation, points)} : null;
  },
};

/**
 * What changes where a keypoint that was to be seen is hidden in the picture, or the other way round.
 * @param {Annotation} annotation
 * @param {number} index
 */
export const switched = (annotation, index) => ({keypoints: flatOf(annotation).with(3 * index + 2, flatOf(annotation)[3 * index + 2] === 1 ? 2 : 1)});

/**
 * Whether a labelled point is at most `reach` pixels away.
 * @param {Annotation} annotation
 * @param {Point} point
 * @param {number} reach
 */
export const anyNear = (annotation, point, reach) => labelled(annotation).some((each) => distance(each, point) <= reach);
