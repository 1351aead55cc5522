// The fields that only this dataset knows: a row each, and one to add another. What typed text means is state/free_fields.js'.

import {KINDS, changeOf, faultOfName, freeFields} from "../state/free_fields.js";
import {el, iconButton} from "./dom.js";

/** @import {Annotation, Entry} from "../types.js" */
/** @import {FieldKind} from "../state/free_fields.js" */

const keepKeys = (/** @type {KeyboardEvent} */ event) => event.stopPropagation();

export class FreeFields {
  /** @type {Entry | null} */
  #entry = null;
  #shown = "";

  /** @param {(changes: Partial<Annotation>) => unknown} change */
  constructor(change) {
    this.change = change;
    this.rows = el("div", {class: "field-rows"});
    this.name = el("input", {type: "text", placeholder: "Field", "aria-label": "Name of a new field", autocomplete: "off", onkeydown: keepKeys});
    this.kind = el("select", {"aria-label": "Kind of the new field", onchange: () => this.#useKind()}, ...KINDS.map(([value, title]) => el("option", {value}, title)));
    this.value = el("input", {type: "text", placeholder: "Value", "aria-label": "Value of the new field", autocomplete: "off", onkeydown: keepKeys});
    this.truth = el("input", {type: "checkbox", "aria-label": "The new field is true", hidden: true});
    this.fault = el("p", {class: "fault", role: "alert", hidden: true});
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#add();
    };
    this.adding = el("form", {class: "field-row", onsubmit: submit}, this.name, this.kind, this.value, this.truth, iconButton("plus", "Add the field", () => {}, {type: "submit"}));
    this.element = el("section", {"aria-label": "Fields of its own"}, el("h2", {}, "Fields"), this.rows, this.adding, this.fault);
  }

  /**
   * @param {Entry} entry
   * @param {boolean} locked
   */
  show(entry, locked) {
    if (entry.key !== this.#entry?.key) this.#say(null);
    this.#entry = entry;
    this.adding.hidden = locked;
    const fields = freeFields(entry.annotation);
    const shown = JSON.stringify([entry.key, locked, fields]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.name;
    this.rows.replaceChildren(...fields.map((field) => this.#row(field, locked)));
    if (focused !== undefined) /** @type {HTMLElement | null} */ (this.rows.querySelector(`[data-name="${CSS.escape(focused)}"]`))?.focus();
  }

  /**
   * @param {{name: string, kind: FieldKind, text: string}} field
   * @param {boolean} locked
   */
  #row({name, kind, text}, locked) {
    const take = () => this.#try(() => this.change(changeOf(name, kind, kind === "truth" ? String(input.checked) : input.value)));
    const input = el("input", {type: kind === "truth" ? "checkbox" : "text", "aria-label": name, "data-name": name, autocomplete: "off", spellcheck: "false", disabled: locked, onchange: take, onkeydown: keepKeys});
    if (kind === "truth") input.checked = text === "true";
    else input.value = text;
    const remove = locked ? null : iconButton("delete", `Take the field ${name} away`, () => this.change({[name]: null}));
    return el("div", {class: "field-row"}, el("span", {class: "text", title: name}, name), input, remove);
  }

  #add() {
    const entry = this.#entry;
    if (!entry) return;
    const name = this.name.value.trim();
    const why = faultOfName(name, entry.annotation);
    if (why) return this.#say(why);
    const kind = /** @type {FieldKind} */ (this.kind.value);
    this.#try(() => {
      this.change(changeOf(name, kind, kind === "truth" ? String(this.truth.checked) : this.value.value));
      this.name.value = this.value.value = "";
      this.name.focus();
    });
  }

  /** @param {() => unknown} act */
  #try(act) {
    try {
      act();
      this.#say(null);
    } catch (error) {
      this.#say(/** @type {Error} */ (error).message);
    }
  }

  /** @param {string | null} words */
  #say(words) {
    this.fault.hidden = words === null;
    this.fault.textContent = words;
  }

  #useKind() {
    this.truth.hidden = this.kind.value !== "truth";
    this.value.hidden = !this.truth.hidden;
  }
}
