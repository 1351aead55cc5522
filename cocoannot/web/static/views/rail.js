// The tools at the picture's edge, each with its key.

import {el} from "./dom.js";

/** @import {ToolListing} from "../types.js" */
/** @import {CommandButtons} from "./command_button.js" */

/** The command that chooses a tool. @param {string} name */
export const toolCommand = (name) => `tool.${name}`;

/** The command for what only one tool does. @param {{tool: string, name: string}} act */
export const actCommand = ({tool, name}) => `${toolCommand(tool)}.${name}`;

/**
 * @param {readonly ToolListing[]} tools
 * @param {CommandButtons} buttons
 * @param {() => string} current the name of the tool in use
 * @param {() => boolean} hasSelection whether something is selected
 */
export function makeRail(tools, buttons, current, hasSelection) {
  const make = (/** @type {ToolListing} */ {name, icon, forSelection}) => {
    const when = () => !forSelection || hasSelection() || current() === name;
    const button = buttons.make(toolCommand(name), {key: true, iconName: icon, pressed: () => current() === name, when});
    button.dataset.tool = name;
    return button;
  };
  return el(
    "div",
    {class: "rail tools", role: "group", "aria-label": "Tools"},
    ...tools.map(make),
    el("span", {class: "separator"}),
    buttons.make("shapes.hide", {key: true, iconName: "eye"}),
  );
}
