// How far an arrow key goes: a pixel, with Shift ten.

/** @import {KeyInput, Point} from "../types.js" */

/** @type {Record<string, Point>} */
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/**
 * `null` for other keys.
 * @param {KeyInput} input
 * @returns {Point | null}
 */
export function arrowOf({key, shift, ctrl, alt}) {
  const arrow = ctrl || alt ? undefined : ARROWS[key];
  const step = shift ? 10 : 1;
  return arrow ? [arrow[0] * step, arrow[1] * step] : null;
}
