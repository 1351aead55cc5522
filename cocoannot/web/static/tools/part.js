// Draws one polygon more for an annotation: the one that was selected when the tool was chosen, whatever is selected later.

import {flat} from "../shapes/polygon.js";
import {kindOf} from "../shapes/registry.js";
import {Ring} from "./ring.js";

/** @import {Key, Point, Tool, ToolContext} from "../types.js" */

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const {session, view} = context;
  /** @type {Key | null} */
  let target = null;

  const polygonsOf = (/** @type {Key | null} */ key) => {
    const entry = key === null ? undefined : session.entries.get(key);
    if (!entry || entry.broken || kindOf(entry.annotation) !== "polygon") return null;
    return {entry, parts: /** @type {number[][]} */ (entry.annotation.segmentation)};
  };

  const finish = (/** @type {Point[]} */ corners) => {
    const found = polygonsOf(target);
    if (!found) {
      view.say("The annotation that the part is for has no polygons any more. Press Esc twice to give the part up");
      return false;
    }
    session.update(found.entry.key, {segmentation: [...found.parts, flat(corners)]});
    // When the ring has let go of its corners: the tool is left with nothing in the making.
    queueMicrotask(() => view.done());
    return true;
  };

  const ring = new Ring(context, finish, () => polygonsOf(target)?.entry.annotation.category_id ?? null);

  return {
    name: "part", title: "Add part", icon: "part",
    hint: () => "Click the corners of one part more; Ctrl+click follows another edge; Enter or a click on the first one closes",
    cursor: () => "crosshair",
    activate() {
      const keys = [...session.selection].filter((key) => polygonsOf(key));
      target = keys.length === 1 ? keys[0] : null;
      const entry = polygonsOf(target)?.entry;
      if (entry && !session.isLocked(entry)) return view.crosshair(true);
      view.say(entry ? "This annotation is locked" : "Select one annotation with polygons first: the part is added to it");
      view.done();
    },
    cancel: () => ring.drop(),
    pointer: (input) => ring.pointer(input),
    key: (input) => ring.key(input),
    undo: () => ring.undo(),
    busy: () => ring.corners.length > 0,
    acts: ring.acts,
  };
}
