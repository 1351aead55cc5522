// Buttons made from the registry of commands: title, key and icon come from there, and so does whether they mean anything now.

import {el, setAttribute} from "./dom.js";
import {icon} from "./icons.js";
import {nameOfKey} from "./key_names.js";

/** @import {Commands} from "../types.js" */

/**
 * `shown` says what becomes of it while the command means nothing: it is disabled, or not there. With `text`, its words stand
 * beside the icon. Where `when` gives false it is not there either, though the command's key may do something.
 * @typedef {{shown?: "always" | "apt", when?: () => boolean, text?: string, key?: boolean, iconName?: string, id?: string, className?: string, pressed?: () => boolean}} Options
 */

export class CommandButtons {
  /** @type {(() => void)[]} */
  #refreshes = [];

  /** @param {Commands} commands */
  constructor(commands) {
    this.commands = commands;
    commands.on("change", () => this.refresh());
  }

  /**
   * @param {string} commandId
   * @param {Options} [options]
   */
  make(commandId, {shown = "always", text, key: showsKey = false, iconName, id, className = "", pressed, when} = {}) {
    const command = this.commands.get(commandId);
    const button = el(
      "button",
      {type: "button", id, class: `${text ? "quiet" : "icon-button"} ${className}`.trim(), onclick: () => this.commands.run(commandId)},
      icon(iconName ?? command?.icon ?? ""),
    );
    if (text) button.append(el("span", {class: "text"}, text));
    const refresh = () => {
      const {title: name = commandId, lacks = () => null} = this.commands.get(commandId) ?? {};
      const why = lacks();
      const title = why ? `${name}: ${why}` : name;
      const key = this.commands.keysOf(commandId)[0];
      setAttribute(button, "title", key ? `${title} (${nameOfKey(key)})` : title);
      // Who says aloud what stands on a button must be understood.
      setAttribute(button, "aria-label", button.textContent ? `${button.textContent}: ${title}` : title);
      if (showsKey) setAttribute(button, "data-key", key ? nameOfKey(key).replace("Shift+", "⇧") : null);
      const can = this.commands.can(commandId);
      if (shown === "apt") button.hidden = !can;
      else button.disabled = !can;
      if (when) button.hidden = !when();
      if (pressed) setAttribute(button, "aria-pressed", String(pressed()));
    };
    this.#refreshes.push(refresh);
    refresh();
    return button;
  }

  /** After anything that decides which commands mean something now. */
  refresh() {
    for (const refresh of this.#refreshes) refresh();
  }
}
