// All commands with their keys, which the user can change or switch off here. What a key means is decided in state/commands.js.

import {namesOf} from "../state/commands.js";
import {openDialog} from "./dialogs.js";
import {el, iconButton} from "./dom.js";
import {nameOfKey} from "./key_names.js";

/** @import {Command, Commands, Preferences} from "../types.js" */

const MODIFIERS = ["Control", "Shift", "Alt", "Meta", "AltGraph", "CapsLock"];

/**
 * @param {Commands} commands
 * @param {Preferences} preferences
 */
export async function showKeys(commands, preferences) {
  const table = el("div");
  /** @type {string | null} The command that waits for its new key. */
  let waiting = null;
  const show = () =>
    table.replaceChildren(
      ...groups(commands).map(([group, members]) =>
        el("table", {}, el("caption", {}, group), el("tbody", {}, ...members.map((command) => row(commands, command, command.id === waiting, wait)))),
      ),
    );
  /** @param {string | null} id */
  const wait = (id) => {
    const before = waiting;
    waiting = id;
    show();
    /** @type {HTMLElement | null} */ (table.querySelector(`[data-command="${CSS.escape(id ?? before ?? "")}"]`))?.focus();
  };
  /** @param {KeyboardEvent} event */
  const press = (event) => {
    if (waiting === null || MODIFIERS.includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const id = waiting;
    if (event.key !== "Escape") commands.remap(id, event.key === "Backspace" || event.key === "Delete" ? [] : [namesOf(event)[0]]);
    wait(null);
  };
  show();
  const stop = commands.on("change", show);
  window.addEventListener("keydown", press, {capture: true});
  const single = el("input", {
    type: "checkbox",
    checked: preferences.get("singleKeys"),
    onchange: (/** @type {Event} */ event) => commands.useSingleKeys(/** @type {HTMLInputElement} */ (event.target).checked),
  });
  await openDialog("Keys", {
    className: "keys",
    closeButton: true,
    makeContent: () => [
      el("p", {class: "dim"}, "Choose a key to change it: press the new one, Backspace for none, or Esc to leave it."),
      el("label", {class: "tick"}, single, " Letters and digits are keys. Switch them off where you speak to the computer."),
      table,
    ],
  });
  window.removeEventListener("keydown", press, {capture: true});
  stop();
}

/**
 * @param {Commands} commands
 * @param {Command} command
 * @param {boolean} waits
 * @param {(id: string | null) => void} wait
 */
function row(commands, {id, title, keys: own}, waits, wait) {
  const keys = commands.keysOf(id).map(nameOfKey);
  const isOwn = keys.length === own.length && keys.every((key, i) => key === nameOfKey(own[i]));
  const words = waits
    ? "Press a key"
    : keys.length
      ? keys.flatMap((key, i) => (i ? [" ", el("kbd", {}, key)] : [el("kbd", {}, key)]))
      : el("span", {class: "off"}, "none");
  const change = el(
    "button",
    {
      type: "button",
      class: waits ? "key-button waits" : "key-button",
      "data-command": id,
      "aria-label": `${waits ? "Press a key" : keys.join(" ") || "none"}: ${title}`,
      onclick: () => wait(waits ? null : id),
    },
    ...[words].flat(),
  );
  const reset = isOwn ? null : iconButton("undo", `${title}: as it was`, () => commands.remap(id, null), {class: "reset"});
  return el("tr", {}, el("td", {}, title), el("td", {}, reset, change));
}

/**
 * @param {Commands} commands
 * @returns {[group: string, commands: Command[]][]}
 */
function groups(commands) {
  /** @type {Map<string, Command[]>} */
  const found = new Map();
  for (const command of commands.all()) {
    const group = command.group ?? {everywhere: "Everywhere", editor: "One image", gallery: "All images"}[command.scope];
    const members = found.get(group) ?? [];
    found.set(group, members);
    members.push(command);
  }
  return [...found];
}
