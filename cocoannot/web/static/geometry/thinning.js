// Polygons with fewer corners, as many as are asked for. The corners go in one order, those first that change the area
// least (Visvalingam and Whyatt, 1993), so that any number of them is a start of the same order.

import {area} from "./polygons.js";

/** @import {Point} from "../types.js" */

/** @typedef {[ring: number, corner: number, cost: number]} Place A corner, and the area that changes with it, in square pixels. */

/** The least number of corners that polygons can have. @param {Point[][]} rings */
export const fewest = (rings) => rings.reduce((sum, ring) => sum + Math.min(3, ring.length), 0);

/**
 * All corners that can go, the first to go first.
 * @param {Point[][]} rings
 * @returns {Place[]}
 */
export function order(rings) {
  const chains = rings.map((ring) => ring.map((_, i) => ({before: (i + ring.length - 1) % ring.length, after: (i + 1) % ring.length, cost: 0, gone: false})));
  const left = rings.map((ring) => ring.length);
  /** @type {Place[]} */
  const heap = [];
  const price = (/** @type {number} */ ring, /** @type {number} */ corner, floor = 0) => {
    const link = chains[ring][corner];
    link.cost = Math.max(floor, area([rings[ring][link.before], rings[ring][corner], rings[ring][link.after]]));
    push(heap, [ring, corner, link.cost]);
  };
  rings.forEach((ring, r) => ring.forEach((_, i) => price(r, i)));
  /** @type {Place[]} */
  const found = [];
  for (let next = pop(heap); next; next = pop(heap)) {
    const [r, i, cost] = next;
    const link = chains[r][i];
    // One of another price was put in since, or the ring has no corner to spare.
    if (link.gone || link.cost !== cost || left[r] <= 3) continue;
    link.gone = true;
    left[r] -= 1;
    found.push(next);
    chains[r][link.before].after = link.after;
    chains[r][link.after].before = link.before;
    // A neighbour is not to go before its turn, though its own triangle may be less now.
    price(r, link.before, cost);
    price(r, link.after, cost);
  }
  return found;
}

/**
 * The rings with so many corners in all, or as few as can be.
 * @param {Point[][]} rings
 * @param {Place[]} places As `order` gives them.
 * @param {number} count
 */
export function thinned(rings, places, count) {
  const total = rings.reduce((sum, ring) => sum + ring.length, 0);
  const gone = rings.map(() => /** @type {Set<number>} */ (new Set()));
  for (const [ring, corner] of places.slice(0, Math.max(0, total - count))) gone[ring].add(corner);
  return rings.map((ring, r) => ring.filter((_, i) => !gone[r].has(i)));
}

/** @param {Place[]} heap @param {Place} item */
function push(heap, item) {
  let at = heap.push(item) - 1;
  for (let up = (at - 1) >> 1; at > 0 && heap[up][2] > item[2]; at = up, up = (at - 1) >> 1) [heap[up], heap[at]] = [heap[at], heap[up]];
}

/** @param {Place[]} heap */
function pop(heap) {
  const top = heap[0];
  const last = heap.pop();
  if (!heap.length || !last) return top;
  heap[0] = last;
  for (let at = 0; ; ) {
    const down = [2 * at + 1, 2 * at + 2].reduce((least, i) => (i < heap.length && heap[i][2] < heap[least][2] ? i : least), at);
    if (down === at) return top;
    [heap[at], heap[down]] = [heap[down], heap[at]];
    at = down;
  }
}
