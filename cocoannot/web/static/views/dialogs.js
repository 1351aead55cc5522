// Asking. Dialogs are the browser's own, so that Esc works as people expect, and the focus goes back to where it was.

import {el, iconButton} from "./dom.js";

/** @import {Child} from "./dom.js" */

/**
 * A button of a dialog. `null` is what closing the dialog gives, too.
 * @template T
 * @typedef {{value: T | null, text: string, primary?: boolean, danger?: boolean}} Choice
 */

let made = 0;

/**
 * Opens a dialog. `makeContent(close)` gives what is in it, `makeButtons(close)` its buttons; the one with `autofocus` gets the focus.
 * @template T
 * @param {string} title
 * @param {{makeContent: (close: (value: T | null) => void) => Child[], makeButtons?: (close: (value: T | null) => void) => HTMLElement[], className?: string, closeButton?: boolean, closable?: boolean}} options
 *   Where it is not `closable`, Esc does nothing.
 * @returns {Promise<T | null>} what `close` was called with; `null` where the user closed the dialog
 */
export function openDialog(title, {makeContent, makeButtons = () => [], className = "", closeButton = false, closable = true}) {
  return new Promise((resolve) => {
    let answer = /** @type {T | null} */ (null);
    /** @param {T | null} value */
    const close = (value) => {
      answer = value;
      dialog.close();
      // The event of it comes later, and what a quick hand does until then would not know the answer.
      finish();
    };
    const finish = () => {
      dialog.remove();
      resolve(answer);
    };
    const id = `dialog-title-${(made += 1)}`;
    const heading = el("div", {class: "dialog-head"}, el("h2", {id}, title), closeButton ? iconButton("close", "Close", () => close(null)) : null);
    const buttons = makeButtons(close);
    const dialog = el(
      "dialog",
      {class: className, "aria-labelledby": id},
      heading,
      ...makeContent(close),
      buttons.length ? el("div", {class: "buttons"}, ...buttons) : null,
    );
    if (!closable) dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", finish);
    // A click beside the dialog is not an answer where something was typed, so only those with a close button take it as one.
    if (closeButton) dialog.addEventListener("click", (event) => event.target === dialog && isOutside(dialog, event) && close(null));
    document.body.append(dialog);
    dialog.showModal();
  });
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
  return openDialog(title, {
    makeContent: () => [content],
    makeButtons: (close) =>
      choices.map(({value, text, primary, danger}) =>
        el("button", {type: "button", class: danger ? "danger" : primary ? "primary" : null, autofocus: primary, onclick: () => close(value)}, text),
      ),
  });
}

/**
 * @param {string} title
 * @param {string} text
 * @param {string} action
 * @returns {Promise<boolean>}
 */
export async function confirm(title, text, action, {danger = false} = {}) {
  const answer = await choose(title, el("p", {}, text), [
    {value: null, text: "Cancel"},
    {value: true, text: action, primary: !danger, danger},
  ]);
  return answer === true;
}

/**
 * What the user types, `null` where the dialog was closed. With `submit`, the dialog stays until it has done its work: where it
 * fails, its message stands below the text, which is still there.
 * @param {string} title
 * @param {{label: string, value?: string, password?: boolean, action?: string, note?: string, submit?: (value: string) => Promise<unknown>}} options
 * @returns {Promise<string | null>}
 */
export function prompt(title, {label, value = "", password = false, action = "OK", note, submit = async () => {}}) {
  const fault = el("p", {class: "fault", role: "alert", hidden: true});
  const input = el("input", {type: password ? "password" : "text", value, autofocus: true, required: true, autocomplete: "off"});
  const ok = el("button", {type: "submit", class: "primary"}, action);
  /** @param {(value: string) => void} close */
  const send = async (close) => {
    ok.disabled = true;
    fault.hidden = true;
    try {
      await submit(input.value);
      close(input.value);
    } catch (error) {
      fault.textContent = error instanceof Error ? error.message : String(error);
      fault.hidden = false;
      input.focus();
    } finally {
      ok.disabled = false;
    }
  };
  return openDialog(title, {
    makeContent: (close) => [
      el(
        "form",
        {
          onsubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            void send(close);
          },
        },
        note ? el("p", {}, note) : null,
        el("label", {}, label, input),
        fault,
        el("div", {class: "buttons"}, el("button", {type: "button", onclick: () => close(null)}, "Cancel"), ok),
      ),
    ],
  });
}

export const isOpen = () => document.querySelector("dialog[open]") !== null;

/**
 * @param {HTMLElement} element
 * @param {MouseEvent} event
 */
function isOutside(element, {clientX, clientY}) {
  const {left, top, right, bottom} = element.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}
