// Telling: short messages at the edge. What must not be missed belongs into a dialog or the save state.

import {byId, el, iconButton} from "./dom.js";

const LONG = 10_000;
const SHORT = 4000;
const MOST = 4;

/**
 * A short message; errors stay longer, and the same message twice is one. `action` is a button beside it.
 * @param {string} text
 * @param {{error?: boolean, action?: {text: string, run: () => unknown}}} [options]
 */
export function toast(text, {error = false, action} = {}) {
  const list = byId("toasts");
  for (const old of list.children) if (old instanceof HTMLElement && old.dataset.text === text) old.remove();
  const line = el("div", {class: error ? "toast error" : "toast", "data-text": text}, el("span", {class: "toast-text"}, text));
  const remove = () => line.remove();
  if (action) line.append(el("button", {type: "button", class: "quiet", onclick: () => (remove(), action.run())}, action.text));
  line.append(iconButton("close", "Close this message", remove));
  list.append(line);
  while (list.children.length > MOST) list.firstElementChild?.remove();
  // Somebody who reads it, by pointer or keyboard, keeps it.
  const later = () => setTimeout(() => (line.matches(":hover, :focus-within") ? later() : remove()), error || action ? LONG : SHORT);
  later();
}
