// What can be made of the shapes that are selected, put into the registry.

/** @import {Command, Commands, Session, Tool} from "../types.js" */
/** @import {Operations} from "../tools/operations.js" */

/**
 * The ids, in the order of the menu.
 * @param {{commands: Commands, session: Session}} parts
 * @param {{operations: Operations, tool: () => Tool | null}} actions
 */
export function addShapeCommands({commands, session}, {operations, tool}) {
  // While something is drawn, a key for what is selected would be a slip.
  const free = () => session.canEdit() && !(tool()?.busy() ?? false);
  const several = () => free() && operations.count > 1;
  const from = (/** @type {"box" | "polygon" | "mask"} */ kind) => () => free() && operations.canBecome(kind);
  /** @type {Omit<Command, "scope" | "group" | "lacks">[]} */
  const all = [
    {id: "shape.join", title: "Join what is selected", keys: ["j"], icon: "join", when: several, run: () => operations.join()},
    {id: "shape.subtract", title: "Subtract from the one selected first", keys: ["Shift+j"], icon: "subtract", when: several, run: () => operations.subtract()},
    {id: "shape.intersect", title: "Keep what they share", keys: ["Alt+j"], icon: "intersect", when: several, run: () => operations.intersect()},
    {id: "shape.box", title: "Make it a box", keys: ["Shift+b"], icon: "box", when: from("box"), run: () => operations.toBoxes()},
    {id: "shape.polygons", title: "Make it polygons", keys: ["Shift+p"], icon: "polygon", when: from("polygon"), run: () => operations.toPolygons()},
    {id: "shape.mask", title: "Make it a mask", keys: ["Shift+m"], icon: "mask", when: from("mask"), run: () => operations.toMasks()},
  ];
  for (const command of all) commands.add({...command, lacks: () => session.lacks, group: "Shapes", scope: "editor"});
  return all.map(({id}) => id);
}
