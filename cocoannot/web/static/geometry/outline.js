// From the pixels of a mask to polygons: smooth where the mask is, with few corners, and never farther off than a hundredth
// of the area. Polygons have no holes: these are told, and filled.

import {contour} from "./contour.js";
import {distance, nearestOnSegment} from "./polygons.js";
import {area as pixels, filledTogether, toRuns} from "./spans.js";

/** @import {Point} from "../types.js" */
/** @import {Spans} from "./spans.js" */

/** How far a corner may be from the line that replaces it, in pixels: the first that keeps the area is taken. */
const TOLERANCES = [0.75, 0.5, 0.25];
/** Of the area; beyond it lies a hundredth, which is promised. */
const MOST_OFF = 0.008;

/**
 * One ring around each part of a mask. The least parts, of a pixel or two, keep the pixels' sides.
 * @param {Spans} spans
 * @returns {{rings: Point[][], holes: number}}
 */
export function outlined(spans) {
  const all = contour(toRuns(spans), spans.size[0]);
  const outer = all.filter((ring) => signedArea(ring) > 0);
  const rings = outer.map(smoothed);
  const filled = filledTogether(outer, spans.size);
  const isClose = Math.abs(pixels(filledTogether(rings, spans.size)) - pixels(filled)) <= MOST_OFF * pixels(filled);
  return {rings: isClose ? rings : outer, holes: all.length - outer.length};
}

/** Positive for a ring that goes clockwise. @param {Point[]} ring */
export function signedArea(ring) {
  let twice = 0;
  for (let i = 0; i < ring.length; i++) {
    const [[x1, y1], [x2, y2]] = [ring[i], ring[(i + 1) % ring.length]];
    twice += (x1 - ring[0][0]) * (y2 - ring[0][1]) - (x2 - ring[0][0]) * (y1 - ring[0][1]);
  }
  return twice / 2;
}

/** @param {Point[]} ring Along pixels' sides. */
function smoothed(ring) {
  const exact = signedArea(ring);
  const bevelled = withoutSteps(ring);
  for (const tolerance of TOLERANCES) {
    const fewer = simplified(bevelled, tolerance);
    if (fewer.length >= 3 && Math.abs(signedArea(fewer) - exact) <= MOST_OFF * exact) return fewer;
  }
  return ring;
}

/**
 * Each corner cut off half a pixel before it: steps become a slope.
 * @param {Point[]} ring
 * @returns {Point[]}
 */
const withoutSteps = (ring) =>
  ring.flatMap(([x, y], i) => {
    const [[beforeX, beforeY], [afterX, afterY]] = [ring[(i + ring.length - 1) % ring.length], ring[(i + 1) % ring.length]];
    return [
      /** @type {Point} */ ([x + Math.sign(beforeX - x) / 2, y + Math.sign(beforeY - y) / 2]),
      /** @type {Point} */ ([x + Math.sign(afterX - x) / 2, y + Math.sign(afterY - y) / 2]),
    ];
  });

/**
 * Without corners that are at most `tolerance` away from the line between those that stay (Douglas and Peucker, 1973).
 * @param {Point[]} ring
 * @param {number} tolerance
 */
export function simplified(ring, tolerance) {
  const opposite = ring.reduce((best, point, i) => (distance(point, ring[0]) > distance(ring[best], ring[0]) ? i : best), 0);
  const stays = new Set([0, opposite]);
  const closed = [...ring, ring[0]];
  const waiting = [[0, opposite], [opposite, ring.length]];
  for (let stretch = waiting.pop(); stretch; stretch = waiting.pop()) {
    const [from, to] = stretch;
    let [farthest, far] = [-1, tolerance];
    for (let i = from + 1; i < to; i++) {
      const away = distance(closed[i], nearestOnSegment(closed[i], closed[from], closed[to]));
      if (away > far) [farthest, far] = [i, away];
    }
    if (farthest < 0) continue;
    stays.add(farthest);
    waiting.push([from, farthest], [farthest, to]);
  }
  return ring.filter((_, i) => stays.has(i));
}
