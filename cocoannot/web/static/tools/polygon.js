// Draws a polygon corner by corner; it becomes a new annotation.

import {flat} from "../shapes/polygon.js";
import {Ring} from "./ring.js";

/** @import {Tool, ToolContext} from "../types.js" */

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const ring = new Ring(context, (corners) => context.session.add({segmentation: [flat(corners)]}) !== null, () => context.session.category);
  return {
    name: "polygon", title: "Polygon", icon: "polygon",
    hint: () => ring.corners.length < 3 ? "Click the corners; Ctrl+click follows the edge of another shape; Backspace takes one back" : "Click the corners; Enter, a double click or a click on the first one closes",
    cursor: () => "crosshair",
    activate: () => context.view.crosshair(true),
    cancel: () => ring.drop(),
    pointer: (input) => ring.pointer(input),
    key: (input) => ring.key(input),
    undo: () => ring.undo(),
    busy: () => ring.corners.length > 0,
    acts: ring.acts,
  };
}
