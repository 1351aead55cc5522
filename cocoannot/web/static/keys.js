// Keys and what they do. Ignored while somebody types, and while a dialog is open.

import {choose, isOpen} from "./dialogs.js";
import {el} from "./dom.js";

/** @import {Bind} from "./types.js" */

/** @type {Map<string, {run: () => unknown, when: () => boolean}>} */
const commands = new Map();
/** @type {[key: string, title: string][]} */
const order = [];

/**
 * `key` such as `d`, `ArrowRight`, `Ctrl+Shift+Z`; `when()` says whether it means anything now.
 * @type {Bind}
 */
export const bind = (key, title, run, {when = () => true, shown = true} = {}) => {
  commands.set(key.toLowerCase(), {run, when});
  if (shown) order.push([key, title]);
};

export function showAll() {
  const rows = order.map(([key, title]) => el("tr", {}, el("th", {scope: "row"}, el("kbd", {}, key)), el("td", {}, title)));
  return choose("Keys", el("table", {class: "keys"}, ...rows), [{value: null, text: "Close", primary: true}]);
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const ctrl = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  // Shift is a part of the name only where the key is not already another one by it, such as `?`.
  const shift = event.shiftKey && (ctrl || event.key.length > 1) ? "shift+" : "";
  return ctrl + shift + event.key.toLowerCase();
}

/** @param {Element} target */
function isTyping(target) {
  return (target instanceof HTMLElement && target.isContentEditable) || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
}

window.addEventListener("keydown", (event) => {
  const command = commands.get(nameOf(event));
  if (!command || isOpen() || event.altKey) return;
  const target = /** @type {Element} */ (event.target);
  if (isTyping(target) && nameOf(event) !== "ctrl+s") return;
  // Tab, Enter and the like belong to the controls while one of them has the focus.
  if (event.key === "Tab" && target !== document.body && !target.closest(".ol-viewport, .canvas")) return;
  if (!command.when()) return;
  event.preventDefault();
  command.run();
});
