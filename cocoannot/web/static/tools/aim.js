// What is under the pointer: shapes that are to be seen, and the handles of the one that is selected.

import {bounds, handleAt, hit, size} from "../shapes/registry.js";

/** @import {Entry, PointerInput, Session} from "../types.js" */
/** @import {Handle} from "../shapes/types.js" */

/**
 * The visible shapes under the pointer, the smallest first.
 * @param {Session} session
 * @param {PointerInput} input
 * @returns {Entry[]}
 */
export function under(session, {x, y, reach}) {
  const found = [...session.entries.values()].filter((entry) =>
    !entry.broken && session.isVisible(entry) && hit(entry.annotation, [x, y], reach / 2));
  return found.sort((one, other) => size(one.annotation) - size(other.annotation));
}

/**
 * The visible shapes that lie wholly between two corners.
 * @param {Session} session
 * @param {[x: number, y: number, width: number, height: number]} box
 * @returns {Entry[]}
 */
export function within(session, [x, y, width, height]) {
  return [...session.entries.values()].filter((entry) => {
    const around = entry.broken || !session.isVisible(entry) ? null : bounds(entry.annotation);
    return around && around[0] >= x && around[1] >= y && around[2] <= x + width && around[3] <= y + height;
  });
}

/**
 * Entries that are selected and can be changed.
 * @param {Session} session
 * @returns {Entry[]}
 */
export const changeable = (session) =>
  [...session.selection].flatMap((key) => session.entries.get(key) ?? []).filter((entry) => !entry.broken && session.isVisible(entry) && !session.isLocked(entry));

/**
 * The handle under the pointer, of the one shape that is selected.
 * @param {Session} session
 * @param {PointerInput} input
 * @returns {{entry: Entry, handle: Handle} | null}
 */
export function grip(session, {x, y, reach, scale}) {
  if (session.selection.size !== 1) return null;
  const [entry] = changeable(session);
  const handle = entry ? handleAt(entry.annotation, [x, y], reach, scale) : null;
  return handle && {entry, handle};
}

/**
 * Whether one of the selected shapes that can be changed is under the pointer.
 * @param {Session} session
 * @param {PointerInput} input
 */
export const onSelected = (session, {x, y, reach}) => changeable(session).some(({annotation}) => hit(annotation, [x, y], reach / 2));
