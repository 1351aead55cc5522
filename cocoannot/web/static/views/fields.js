// Dialogs of several fields. Where the server refuses, its words stand below, and what was typed is still there.

import {openDialog} from "./dialogs.js";
import {el} from "./dom.js";

/** @import {Child} from "./dom.js" */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} [type] as of an `<input>`
 * @property {string} [value]
 * @property {string} [autocomplete]
 * @property {[value: string, text: string][]} [options] of a list to choose from
 * @property {boolean} [readonly]
 * @property {boolean} [optional]
 * @property {number} [lines] of a field for text of several lines
 * @property {string} [note]
 */

/** @typedef {{form: HTMLFormElement, values: () => Record<string, string>, fault: (words: string | null) => void}} Form */

/**
 * A form: its fields, room for a fault, its buttons. `submit` is awaited; what it throws stands below the fields.
 * @param {Field[]} fields
 * @param {{action: string, submit: (values: Record<string, string>) => Promise<unknown>, buttons?: HTMLElement[], className?: string}} options
 * @returns {Form}
 */
export function makeForm(fields, {action, submit, buttons = [], className = ""}) {
  const inputs = fields.map((field, i) => makeInput(field, i === fields.findIndex(({readonly}) => !readonly)));
  const words = el("p", {class: "fault", role: "alert", hidden: true});
  const ok = el("button", {type: "submit", class: "primary"}, action);
  const values = () => Object.fromEntries(inputs.map((input, i) => [fields[i].name, input.value]));
  const fault = (/** @type {string | null} */ text) => {
    words.hidden = text === null;
    words.textContent = text;
  };
  const send = async () => {
    ok.disabled = true;
    fault(null);
    try {
      await submit(values());
    } catch (error) {
      fault(error instanceof Error ? error.message : String(error));
      inputs.find((input) => !(input instanceof HTMLInputElement && input.readOnly))?.focus();
    } finally {
      ok.disabled = false;
    }
  };
  const labels = fields.map(({label, note}, i) => el("label", {}, label, inputs[i], note ? el("span", {class: "dim"}, note) : null));
  const form = el(
    "form",
    {
      class: className,
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void send();
      },
    },
    ...labels,
    words,
    el("div", {class: "buttons"}, ...buttons, ok),
  );
  return {form, values, fault};
}

/**
 * @param {Field} field
 * @param {boolean} isFirst
 */
function makeInput({name, type = "text", value = "", autocomplete = "off", options, lines, readonly = false, optional = false}, isFirst) {
  if (options) {
    const list = el("select", {name}, ...options.map(([each, text]) => el("option", {value: each, defaultSelected: each === value}, text)));
    return list;
  }
  if (lines) {
    const area = el("textarea", {name, rows: lines, spellcheck: "false", autocapitalize: "off", required: !optional});
    area.value = value;
    return area;
  }
  const input = el("input", {name, type, value, autocomplete, autofocus: isFirst, required: !optional, spellcheck: "false", autocapitalize: "off"});
  input.readOnly = readonly;
  return input;
}

/**
 * A dialog with one form. Gives true where `submit` was done, `null` where it was closed.
 * @param {string} title
 * @param {{fields: Field[], action: string, before?: Child[], after?: Child[], buttons?: HTMLElement[], className?: string, submit: (values: Record<string, string>) => Promise<unknown>, closable?: boolean, opened?: (close: (value: true | null) => void) => void}} options
 * @returns {Promise<true | null>}
 */
export function fillIn(title, {fields, action, before = [], after = [], buttons = [], className = "", submit, closable = true, opened = () => {}}) {
  return openDialog(title, {
    closable,
    className,
    makeContent: (close) => {
      opened(close);
      const cancel = closable ? [el("button", {type: "button", onclick: () => close(null)}, "Cancel")] : [];
      const {form} = makeForm(fields, {
        action,
        buttons: [...buttons, ...cancel],
        submit: async (values) => {
          await submit(values);
          close(true);
        },
      });
      return [...before, form, ...after];
    },
  });
}
