// From the pixels of a mask to polygons: smooth where the mask is, with few corners, and never farther off than a hundredth
// of the area. Polygons have no holes: these are told, and filled.

import {contour} from "./contour.js";
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
 */
function withoutSteps(ring) {
  /** @type {Point[]} */
  const bevelled = [];
  for (let i = 0, [beforeX, beforeY] = /** @type {Point} */ (ring.at(-1)); i < ring.length; i++) {
    const [x, y] = ring[i];
    const [afterX, afterY] = ring[(i + 1) % ring.length];
    bevelled.push([x + Math.sign(beforeX - x) / 2, y + Math.sign(beforeY - y) / 2], [x + Math.sign(afterX - x) / 2, y + Math.sign(afterY - y) / 2]);
    [beforeX, beforeY] = [x, y];
  }
  return bevelled;
}

/**
 * Without corners that are at most `tolerance` away from the line between those that stay (Douglas and Peucker, 1973).
 * @param {Point[]} ring
 * @param {number} tolerance
 */
export function simplified(ring, tolerance) {
  const stays = new Uint8Array(ring.length + 1);
  const closed = [...ring, ring[0]];
  const opposite = farthest(closed, 0, 0, ring.length, 0) ?? 0;
  stays[0] = stays[opposite] = 1;
  const waiting = [[0, opposite], [opposite, ring.length]];
  for (let stretch = waiting.pop(); stretch; stretch = waiting.pop()) {
    const [from, to] = stretch;
    const corner = farthest(closed, from, to, to, tolerance);
    if (corner === null) continue;
    stays[corner] = 1;
    waiting.push([from, corner], [corner, to]);
  }
  return ring.filter((_, i) => stays[i]);
}

/**
 * The point between `from` and `end` that is farthest from the line from `from` to `to`, more than `least` away.
 * @param {Point[]} line
 * @param {number} from
 * @param {number} to
 * @param {number} end
 * @param {number} least
 */
function farthest(line, from, to, end, least) {
  const [[x1, y1], [x2, y2]] = [line[from], line[to]];
  const [dx, dy] = [x2 - x1, y2 - y1];
  const square = dx * dx + dy * dy;
  /** @type {number | null} */
  let found = null;
  for (let i = from + 1, most = least * least; i < end; i++) {
    const [x, y] = [line[i][0] - x1, line[i][1] - y1];
    const along = square ? Math.min(1, Math.max(0, (x * dx + y * dy) / square)) : 0;
    const away = (x - along * dx) ** 2 + (y - along * dy) ** 2;
    if (away > most) [found, most] = [i, away];
  }
  return found;
}
