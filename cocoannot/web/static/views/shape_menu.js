// A button for all that can be made of the shapes that are selected, and the menu that it opens.

import {Operations} from "../tools/operations.js";
import {el, iconButton} from "./dom.js";
import {addShapeCommands} from "./shape_commands.js";

/** @import {Commands, Session, Tool, ToolView} from "../types.js" */
/** @import {CommandButtons} from "./command_button.js" */

/**
 * @param {{session: Session, commands: Commands, buttons: CommandButtons}} parts
 * @param {ToolView} view
 * @param {() => Tool | null} tool The one in use.
 * @returns {{button: HTMLElement, panel: HTMLElement}}
 */
export function makeShapeMenu({session, commands, buttons}, view, tool) {
  const operations = new Operations({session, view});
  const items = [...addShapeCommands({session, commands}, {operations, tool}), "outline.shrink", "outline.box"].map((id) => {
    const item = buttons.make(id, {text: commands.get(id)?.title, key: true});
    item.addEventListener("click", () => panel.hidePopover());
    return item;
  });
  const panel = el("div", {class: "popover shape-menu", popover: "auto", role: "dialog", "aria-label": "What is selected becomes", id: "shape-menu"}, ...items);
  const button = iconButton("shape", "Join, subtract, make it a box, polygons or a mask", () => {}, {"aria-haspopup": "dialog", popovertarget: "shape-menu"});
  panel.addEventListener("beforetoggle", (event) => /** @type {ToggleEvent} */ (event).newState === "open" && place(panel, button));
  // Esc closes it, and nothing else.
  panel.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
  const show = () => (button.hidden = !session.canEdit() || !session.selection.size);
  for (const event of /** @type {const} */ (["selection", "state", "differences"])) session.on(event, show);
  show();
  return {button, panel};
}

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} button
 */
function place(panel, button) {
  const {bottom, left} = button.getBoundingClientRect();
  panel.style.top = `${bottom + 6}px`;
  panel.style.left = `${Math.max(8, Math.min(left, document.documentElement.clientWidth - 330))}px`;
}
