// Asking and telling. Dialogs are the browser's own, so that focus and Esc work as people expect.

import {byId, el} from "./dom.js";

/** @import {Choice} from "./types.js" */

/**
 * A short message at the edge; errors stay longer.
 * @param {string} text
 */
export function toast(text, {error = false} = {}) {
  const line = el("p", {class: error ? "toast error" : "toast"}, text);
  byId("toasts").append(line);
  setTimeout(() => line.remove(), error ? 10_000 : 4_000);
}

/**
 * The value of one of `choices`, `null` where the dialog was closed.
 * @template T
 * @param {string} title
 * @param {HTMLElement} content
 * @param {Choice<T>[]} choices
 * @returns {Promise<T | null>}
 */
export function choose(title, content, choices) {
  return open(title, content, (close) =>
    choices.map(({value, text, primary, danger}) =>
      el("button", {type: "button", class: danger ? "danger" : primary ? "primary" : "", autofocus: primary, onclick: () => close(value)}, text),
    ),
  );
}

/**
 * @param {string} title
 * @param {string} text
 * @param {string} action
 */
export const confirm = (title, text, action) =>
  choose(title, el("p", {}, text), [{value: true, text: action, primary: true}, {value: null, text: "Cancel"}]);

/**
 * What the user types, `null` where the dialog was closed.
 * @param {string} title
 * @param {{label: string, value?: string, password?: boolean}} options
 * @returns {Promise<string | null>}
 */
export function prompt(title, {label, value = "", password = false}) {
  const input = el("input", {type: password ? "password" : "text", value, autofocus: true, required: true, autocomplete: "off"});
  return open(title, el("label", {}, label, input), (close) => [
    el("button", {type: "submit", class: "primary", onclick: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (input.reportValidity()) close(input.value);
    }}, "OK"),
    el("button", {type: "button", onclick: () => close(null)}, "Cancel"),
  ]);
}

/**
 * @template T
 * @param {string} title
 * @param {HTMLElement} content
 * @param {(close: (value: T | null) => void) => HTMLElement[]} makeButtons
 * @returns {Promise<T | null>}
 */
function open(title, content, makeButtons) {
  return new Promise((resolve) => {
    /** @param {T | null} value */
    const close = (value) => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    const heading = el("h2", {id: "dialog-title"}, title);
    const form = el("form", {method: "dialog"}, heading, content, el("div", {class: "buttons"}, ...makeButtons(close)));
    const dialog = el("dialog", {"aria-labelledby": "dialog-title"}, form);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export const isOpen = () => document.querySelector("dialog[open]") !== null;
