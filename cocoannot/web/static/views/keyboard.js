// From keys to commands. Keys are left alone while somebody types, while a dialog is open, and where a control means them itself.

import {isOpen} from "./dialogs.js";
import {Taps} from "./taps.js";

/** @import {Commands, KeyInput} from "../types.js" */

const TEXT = "input:not([type=range], [type=checkbox], [type=radio]), select, textarea, [contenteditable=true]";
/** What a focused button, link or slider does with its keys. */
const CONTROLS = "button, a[href], [role=separator], input, summary";

/**
 * @param {Commands} commands
 * @param {(input: KeyInput) => boolean} toTool the tool in use comes first; gives whether it took the key
 */
export function listen(commands, toTool) {
  const taps = new Taps();
  window.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || isOpen()) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const typing = target.matches(TEXT);
    const command = commands.match(event);
    if (typing && !(command && (event.ctrlKey || event.metaKey) && command.id === "save.now")) return;
    if (meansItself(event, target)) return;
    const {key, code, shiftKey: shift, altKey: alt} = event;
    if (!typing && toTool({key, code, shift, alt, ctrl: event.ctrlKey || event.metaKey})) event.preventDefault();
    else if (command) {
      event.preventDefault();
      if (Taps.isFor(event)) taps.press(event, () => commands.run(command.id));
      else commands.run(command.id);
    }
  });
}

/**
 * Tab is always the browser's: it moves the focus.
 * @param {KeyboardEvent} event
 * @param {Element} target
 */
function meansItself({key, ctrlKey, metaKey, altKey}, target) {
  if (key === "Tab") return true;
  if (ctrlKey || metaKey || altKey) return false;
  if (key === "Escape" && document.querySelector(":popover-open")) return true;
  if ((key === "Enter" || key === " ") && target.matches(CONTROLS)) return true;
  return target.matches("input[type=range]") && key.startsWith("Arrow");
}
