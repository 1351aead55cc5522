// Drags a box from corner to corner. A click without a drag makes nothing.

import {frameOf, inside} from "../geometry/placing.js";
import {between, flaw} from "../shapes/box.js";
import {mayDraw} from "./may_draw.js";

/** @import {Point, PointerInput, Tool, ToolContext} from "../types.js" */

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const {session, view} = context;
  /** @type {{start: Point, image: number | null, box: [number, number, number, number] | null} | null} */
  let drag = null;

  const drop = () => {
    const wasDrawing = drag?.box != null;
    drag = null;
    view.draft(null);
    return wasDrawing;
  };

  const stretch = (/** @type {PointerInput} */ {x, y}) => {
    if (!drag) return;
    drag.box = between(drag.start, inside([x, y], frameOf(session.image)));
    view.draft({paths: [], handles: [], box: drag.box});
  };

  const finish = () => {
    const made = drag;
    drop();
    if (!made?.box || made.image !== session.id) return;
    const why = flaw(made.box);
    if (why) view.say(why);
    else session.add({bbox: made.box});
  };

  return {
    name: "box", title: "Box", icon: "box",
    hint: () => "Drag from corner to corner",
    cursor: () => "crosshair",
    activate: () => view.crosshair(true),
    cancel: drop,
    pointer(input) {
      if (input.kind === "down" && input.button === 0) {
        drop();
        if (mayDraw(context)) drag = {start: inside([input.x, input.y], frameOf(session.image)), image: session.id, box: null};
      } else if (input.kind === "cancel") drop();
      else if (drag && input.dragged && (input.kind === "move" || input.kind === "up")) stretch(input);
      if (input.kind === "up" && input.button === 0) finish();
    },
    key: ({key}) => key === "Escape" && drop(),
    undo: drop,
    busy: () => drag?.box != null,
  };
}
