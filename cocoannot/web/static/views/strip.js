// The buttons of the tool in use, over the picture's lower edge: what only this tool does, for those who use no keys.

import {el} from "./dom.js";
import {actCommand} from "./rail.js";

/** @import {Session, ToolAct} from "../types.js" */
/** @import {CommandButtons} from "./command_button.js" */

/**
 * @param {{session: Session, buttons: CommandButtons, acts: (ToolAct & {tool: string})[]}} parts
 */
export function makeStrip({session, buttons, acts}) {
  const groups = new Map([...new Set(acts.map(({tool}) => tool))].map((tool) => [tool, el("div", {class: "strip-acts", role: "group", "aria-label": "What this tool does"})]));
  for (const act of acts) groups.get(act.tool)?.append(buttons.make(actCommand(act), {shown: "apt", text: act.text, iconName: act.icon, pressed: act.pressed}));
  const strip = el("div", {class: "strip", hidden: true}, ...groups.values());
  const show = () => {
    for (const [tool, group] of groups) group.hidden = tool !== session.tool;
    strip.hidden = !groups.has(session.tool) || !session.canEdit();
  };
  session.on("tool", show);
  session.on("state", show);
  show();
  return strip;
}
