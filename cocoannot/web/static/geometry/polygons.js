// Rings of points and boxes around them: area, bounds, distance, what is inside. In pixels, y downwards; a ring's last
// point is not its first one again.

/** @import {Point} from "../types.js" */

/** @typedef {[left: number, top: number, right: number, bottom: number]} Bounds */

/**
 * The points of COCO's flat list.
 * @param {number[]} flat
 * @returns {Point[]}
 */
export const pointsOf = (flat) => Array.from({length: Math.floor(flat.length / 2)}, (_, i) => [flat[2 * i], flat[2 * i + 1]]);

/**
 * Area that a ring encloses, by the shoelace formula, never negative.
 * @param {Point[]} ring
 */
export function area(ring) {
  let twice = 0;
  ring.forEach(([x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length];
    // From the first point, so that a small ring far from the corner keeps its digits.
    twice += (x - ring[0][0]) * (nextY - ring[0][1]) - (nextX - ring[0][0]) * (y - ring[0][1]);
  });
  return Math.abs(twice) / 2;
}

/**
 * `null` where there is no point.
 * @param {Iterable<Point>} points
 * @returns {Bounds | null}
 */
export function bounds(points) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  return left > right ? null : [left, top, right, bottom];
}

/** @type {(bounds: Bounds, point: Point, reach: number) => boolean} */
export const isNear = ([left, top, right, bottom], [x, y], reach) =>
  x >= left - reach && x <= right + reach && y >= top - reach && y <= bottom + reach;

/** @type {(outer: Bounds, inner: Bounds) => boolean} */
export const holds = (outer, inner) => inner[0] >= outer[0] && inner[1] >= outer[1] && inner[2] <= outer[2] && inner[3] <= outer[3];

/**
 * Whether the point is inside the ring, by the even-odd rule.
 * @param {Point[]} ring
 * @param {Point} point
 */
export function contains(ring, [x, y]) {
  let inside = false;
  ring.forEach(([x1, y1], i) => {
    const [x2, y2] = ring[(i + 1) % ring.length];
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) inside = !inside;
  });
  return inside;
}

/** @type {(one: Point, other: Point) => number} */
export const distance = ([x1, y1], [x2, y2]) => Math.hypot(x2 - x1, y2 - y1);

/**
 * The point of a line from `start` to `end` that is nearest to `point`.
 * @type {(point: Point, start: Point, end: Point) => Point}
 */
export function nearestOnSegment([x, y], [x1, y1], [x2, y2]) {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / length)) : 0;
  return [x1 + along * dx, y1 + along * dy];
}

/**
 * The edge of a ring that is nearest to a point: which (edge 0 begins at corner 0), where on it, and how far away.
 * @param {Point[]} ring
 * @param {Point} point
 */
export function nearestEdge(ring, point) {
  let best = {edge: 0, at: ring[0], distance: Infinity};
  ring.forEach((start, edge) => {
    const at = nearestOnSegment(point, start, ring[(edge + 1) % ring.length]);
    const far = distance(point, at);
    if (far < best.distance) best = {edge, at, distance: far};
  });
  return best;
}

/**
 * Without corners that are where the one before them is.
 * @param {Point[]} ring
 */
export const withoutRepeats = (ring) =>
  ring.filter(([x, y], i) => {
    const [beforeX, beforeY] = ring[(i + ring.length - 1) % ring.length];
    return ring.length === 1 || x !== beforeX || y !== beforeY;
  });
