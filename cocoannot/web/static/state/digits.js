// New geometry takes the digits of the old one where a number is the same: what nobody moved is written as it was.

import {copyTexts, keepText, textAt} from "../net/json.js";

/** @import {Annotation, Polygon} from "../types.js" */

/**
 * `changes` with the number texts of `before`; polygons may have got or lost corners and parts.
 * @param {Partial<Annotation>} changes
 * @param {Annotation} before
 * @returns {Partial<Annotation>}
 */
export function withDigits(changes, before) {
  const result = copyTexts(changes, {...changes});
  if (Array.isArray(changes.bbox)) result.bbox = byIndex(changes.bbox, before.bbox);
  if (Array.isArray(changes.keypoints)) result.keypoints = byIndex(changes.keypoints, before.keypoints);
  if (Array.isArray(changes.segmentation)) result.segmentation = rings(changes.segmentation, before.segmentation);
  return result;
}

/**
 * @param {number[]} now
 * @param {unknown} before
 */
function byIndex(now, before) {
  const result = [...now];
  if (Array.isArray(before)) result.forEach((value, i) => keep(result, i, value, before, i));
  return result;
}

/**
 * @param {Polygon[]} now
 * @param {unknown} before
 */
function rings(now, before) {
  const old = Array.isArray(before) ? before.filter(Array.isArray) : [];
  const corners = cornersOf(old);
  return now.map((ring, i) => aligned(ring, now.length === old.length ? old[i] : closest(ring, old), corners));
}

/**
 * Where each corner is among the old rings: one of several that lie on one another.
 * @param {Polygon[]} rings
 * @returns {Map<string, [ring: Polygon, at: number]>}
 */
const cornersOf = (rings) => new Map(rings.flatMap((ring) => ring.flatMap((x, at) => (at % 2 ? [] : [[`${x} ${ring[at + 1]}`, [ring, at]]]))));

/**
 * The old ring that has the most numbers of a new one at its ends: a part was added or removed.
 * @param {Polygon} ring
 * @param {Polygon[]} old
 */
function closest(ring, old) {
  let [best, most] = [/** @type {Polygon} */ ([]), 0];
  for (const each of old) {
    const [head, tail] = common(ring, each);
    if (head + tail > most) [best, most] = [each, head + tail];
  }
  return best;
}

/**
 * @param {Polygon} ring
 * @param {Polygon} old
 * @param {ReturnType<typeof cornersOf>} corners
 */
function aligned(ring, old, corners) {
  const result = [...ring];
  const [head, tail] = common(ring, old);
  for (let i = 0; i < ring.length; i++) {
    if (i < head) keep(result, i, ring[i], old, i);
    else if (i >= ring.length - tail) keep(result, i, ring[i], old, old.length - (ring.length - i));
    // Between: a corner was moved and no other is missing, or its other coordinate stayed.
    else if (ring.length === old.length) keep(result, i, ring[i], old, i);
    else {
      // Several corners are gone, or the ring begins elsewhere: a corner that was there keeps its text wherever it is now.
      const [source, at] = corners.get(`${ring[i - (i % 2)]} ${ring[i - (i % 2) + 1]}`) ?? [old, 0];
      keep(result, i, ring[i], source, at + (i % 2));
    }
  }
  return result;
}

/**
 * How many numbers are the same at the beginning and, of the rest, at the end.
 * @param {Polygon} ring
 * @param {Polygon} old
 */
function common(ring, old) {
  const most = Math.min(ring.length, old.length);
  let head = 0;
  while (head < most && ring[head] === old[head]) head += 1;
  let tail = 0;
  while (tail < most - head && ring[ring.length - 1 - tail] === old[old.length - 1 - tail]) tail += 1;
  return [head, tail];
}

/**
 * @param {number[]} target
 * @param {number} at
 * @param {number} value
 * @param {number[]} source
 * @param {number} from
 */
function keep(target, at, value, source, from) {
  const text = source[from] === value ? textAt(source, from, value) : undefined;
  if (text !== undefined) keepText(target, at, text);
}

/**
 * A record after a change: fields that are given replace its own, `null` removes one.
 * @param {Annotation} record
 * @param {Partial<Annotation>} changes
 * @returns {Annotation}
 */
export function changed(record, changes) {
  const result = copyTexts(changes, copyTexts(record, {...record, ...changes}));
  for (const [name, value] of Object.entries(changes)) if (value === null) delete result[/** @type {keyof Annotation} */ (name)];
  return result;
}
