// What stands where nothing else can be shown: why, and what to do, in an annotator's words.

import {el} from "./dom.js";
import {icon} from "./icons.js";

/** @typedef {{text: string, run: () => unknown, primary?: boolean}} Action */

/**
 * @param {string} iconName
 * @param {string} title
 * @param {string} text
 * @param {Action[]} [actions]
 */
export function emptyState(iconName, title, text, actions = []) {
  return el(
    "div",
    {class: "state full", role: "status"},
    icon(iconName),
    el("h2", {}, title),
    text ? el("p", {}, text) : null,
    actions.length
      ? el(
          "div",
          {class: "buttons"},
          ...actions.map(({text: words, run, primary}) => el("button", {type: "button", class: primary ? "primary" : null, onclick: run}, words)),
        )
      : null,
  );
}

/**
 * A line over the picture, which stays usable.
 * @param {string} iconName
 * @param {string} text
 * @param {{warn?: boolean, actions?: Action[]}} [options]
 */
export function notice(iconName, text, {warn = false, actions = []} = {}) {
  return el(
    "div",
    {class: warn ? "notice warn" : "notice"},
    icon(iconName),
    el("span", {}, text),
    ...actions.map(({text: words, run}) => el("button", {type: "button", class: "quiet", onclick: run}, words)),
  );
}
