// What the brush does beside strokes, each with its key and its button.

/** @import {ToolAct, ToolContext} from "../types.js" */
/** @import {Brush} from "./brush.js" */

/**
 * @param {Brush} brush
 * @param {ToolContext} context
 * @returns {ToolAct[]}
 */
export function acts(brush, {session, preferences}) {
  const {pen} = brush;
  const always = () => true;
  return [
    {name: "smaller", title: "A smaller pen", text: "Smaller", key: "[", icon: "minus", can: always, run: () => pen.resize(-1)},
    {name: "larger", title: "A larger pen", text: "Larger", key: "]", icon: "plus", can: always, run: () => pen.resize(1)},
    {name: "erase", title: "The pen erases; or hold Ctrl", text: "Erase", key: "x", icon: "erase", can: always, pressed: () => pen.erases, run: () => pen.toggle("erases")},
    {name: "enclose", title: "A stroke fills what it goes around; or hold Shift", text: "Fill inside", key: "u", icon: "lasso", can: always, pressed: () => pen.encloses, run: () => pen.toggle("encloses")},
    {name: "fill", title: "Fill the holes of the mask", text: "Fill holes", key: "g", icon: "fill", can: () => brush.target !== null, run: () => brush.fillHoles()},
    {
      name: "polygons", title: "Keep what has no hole as polygons", text: "Polygons", key: "Shift+q", icon: "polygon", can: always,
      pressed: () => preferences.get("brushPolygons"), run: () => preferences.set("brushPolygons", !preferences.get("brushPolygons")),
    },
    {name: "another", title: "Begin another mask", text: "New mask", key: "Shift+r", icon: "mask", can: () => brush.target !== null, run: () => session.select([])},
  ];
}
