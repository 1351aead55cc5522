// The small buttons at the end of a list's row. What is on (hidden, locked) stays in sight; the others come with the pointer.

import {iconButton, setAttribute} from "./dom.js";
import {icon} from "./icons.js";

/**
 * @param {string} iconName
 * @param {string} name
 * @param {() => unknown} run
 */
export const act = (iconName, name, run) => iconButton(iconName, name, run, {"data-act": name, "data-icon": iconName});

/**
 * @param {HTMLElement} button
 * @param {string} iconName
 * @param {string} label
 * @param {boolean} on
 */
export function setAct(button, iconName, label, on) {
  if (button.dataset.icon !== iconName) button.replaceChildren(icon(iconName));
  button.dataset.icon = iconName;
  setAttribute(button, "aria-label", label);
  setAttribute(button, "title", label);
  button.classList.toggle("on", on);
}
