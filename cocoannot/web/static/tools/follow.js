// The edges of other shapes, for a ring that is to lie on them: the nearest place on one, and the corners from one place to
// another the shorter way round.

import {distance, isNear, nearestEdge} from "../geometry/polygons.js";
import {bounds, draw} from "../shapes/registry.js";

/** @import {Key, Point, Session} from "../types.js" */

/** @typedef {{key: Key, ring: Point[], edge: number, at: Point}} Foothold A place on the edge of a shape; edge 0 begins at corner 0. */

/**
 * The nearest place on the edge of a visible shape, at most `reach` pixels away; `null` where there is none.
 * @param {Session} session
 * @param {Point} point
 * @param {number} reach
 * @returns {Foothold | null}
 */
export function footholdAt(session, point, reach) {
  /** @type {Foothold | null} */
  let best = null;
  let least = reach;
  for (const entry of session.entries.values()) {
    const around = entry.broken || !session.isVisible(entry) ? null : bounds(entry.annotation);
    if (!around || !isNear(around, point, reach)) continue;
    for (const ring of draw(entry.annotation).edge()) {
      const {edge, at, distance: away} = nearestEdge(ring, point);
      if (away <= least) [best, least] = [{key: entry.key, ring, edge, at: cornerNear(ring, edge, at, reach / 2)}, away];
    }
  }
  return best;
}

/**
 * A corner of the edge, where it is near: it is what was meant.
 * @param {Point[]} ring
 * @param {number} edge
 * @param {Point} at
 * @param {number} reach
 */
function cornerNear(ring, edge, at, reach) {
  const [near, other] = [ring[edge], ring[(edge + 1) % ring.length]].sort((one, two) => distance(one, at) - distance(two, at));
  return distance(near, at) <= Math.min(reach, distance(near, other) / 3) ? near : at;
}

/**
 * The corners between two places on one ring, the shorter way; `null` where they are on different ones.
 * @param {Foothold} from
 * @param {Foothold} to
 * @returns {Point[] | null}
 */
export function cornersBetween(from, to) {
  if (from.ring !== to.ring) return null;
  const onward = walked(from, to);
  const back = walked(to, from).reverse();
  return length([from.at, ...onward, to.at]) <= length([from.at, ...back, to.at]) ? onward : back;
}

/**
 * In the ring's own direction.
 * @param {Foothold} from
 * @param {Foothold} to
 */
function walked(from, to) {
  const {ring} = from;
  const isAhead = from.edge === to.edge && distance(ring[from.edge], from.at) <= distance(ring[to.edge], to.at);
  const count = isAhead ? 0 : (to.edge - from.edge + ring.length) % ring.length || ring.length;
  const corners = Array.from({length: count}, (_, i) => ring[(from.edge + 1 + i) % ring.length]);
  const isEnd = (/** @type {Point} */ point) => distance(point, from.at) === 0 || distance(point, to.at) === 0;
  return corners.filter((corner) => !isEnd(corner));
}

/** @param {Point[]} line */
const length = (line) => line.reduce((sum, point, i) => (i ? sum + distance(line[i - 1], point) : 0), 0);
