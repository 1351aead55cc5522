// The numbers of the one selected shape; those of a box can be typed. A number that is not typed keeps all of its digits.

import {bounds, kindOf} from "../shapes/registry.js";
import {el, setText} from "./dom.js";
import {short} from "./words.js";

/** @import {Entry, Session} from "../types.js" */

const FIELDS = [
  ["x", "Left"],
  ["y", "Top"],
  ["w", "Width"],
  ["h", "Height"],
];

export class Inspector {
  /** @type {Entry | null} */
  #entry = null;

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.inputs = FIELDS.map(([name, label]) =>
      el("input", {
        type: "text",
        inputmode: "decimal",
        autocomplete: "off",
        "aria-label": label,
        "data-field": name,
        onchange: () => this.#take(),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      }),
    );
    this.measured = el("p", {class: "measured"});
    this.fault = el("p", {class: "fault", role: "alert", hidden: true});
    this.fields = this.inputs.map((input, i) => el("label", {}, FIELDS[i][1], input));
    this.element = el("div", {class: "inspector"}, ...this.fields, this.measured, this.fault);
  }

  /** @param {Entry | null} entry */
  show(entry) {
    const other = entry?.key !== this.#entry?.key;
    this.#entry = entry;
    const around = entry && entry.broken === null ? bounds(entry.annotation) : null;
    this.element.classList.toggle("vacant", !around);
    if (!entry || !around) return;
    const isBox = kindOf(entry.annotation) === "box";
    for (const field of this.fields) field.hidden = !isBox;
    this.measured.hidden = isBox;
    const {bbox} = entry.annotation;
    if (isBox && bbox)
      this.inputs.forEach((input, i) => {
        // Somebody who types keeps what is typed.
        if (other || document.activeElement !== input) input.value = String(Number(bbox[i]));
        input.disabled = !this.session.canEdit() || this.session.isLocked(entry);
      });
    else setText(this.measured, `${short(around[2] - around[0])} × ${short(around[3] - around[1])} at ${short(around[0])}, ${short(around[1])}`);
    if (other) this.fault.hidden = true;
  }

  #take() {
    const entry = this.session.now(this.#entry);
    const {image} = this.session;
    if (!entry?.annotation.bbox || !image) return;
    const old = entry.annotation.bbox;
    const typed = this.inputs.map((input) => (input.value.trim() === "" ? NaN : Number(input.value.replace(",", "."))));
    const fault = faultOf(typed, old, image);
    this.fault.hidden = fault === null;
    this.fault.textContent = fault;
    if (fault === null && typed.some((number, i) => number !== Number(old[i])))
      this.session.update(entry.key, {bbox: typed.map((number, i) => (number === Number(old[i]) ? old[i] : number))});
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation();
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (event.key === "Enter") this.#take();
    if (event.key === "Escape") {
      const at = this.inputs.indexOf(input);
      input.value = String(Number(this.session.now(this.#entry)?.annotation.bbox?.[at] ?? 0));
      this.fault.hidden = true;
      input.blur();
    }
    const step = {ArrowUp: 1, ArrowDown: -1}[event.key];
    if (!step || !Number.isFinite(Number(input.value))) return;
    event.preventDefault();
    input.value = String(Number((Number(input.value) + step * (event.shiftKey ? 10 : 1)).toFixed(6)));
    this.#take();
  }
}

/**
 * Why a box can't be so; `null` where it can. One that reached past the picture's edge before may still do so on that side.
 * @param {number[]} typed
 * @param {number[]} old
 * @param {{width: number, height: number}} image
 */
function faultOf([x, y, width, height], old, image) {
  if (![x, y, width, height].every(Number.isFinite)) return "Type numbers of pixels.";
  if (width <= 0 || height <= 0) return "Width and height must be more than 0.";
  const past = (/** @type {number} */ start, /** @type {number} */ length, /** @type {number} */ most) => Math.max(0, -start, start + length - most);
  if (past(x, width, image.width) > past(old[0], old[2], image.width) + 1e-6) return `The picture is ${image.width} pixels wide.`;
  if (past(y, height, image.height) > past(old[1], old[3], image.height) + 1e-6) return `The picture is ${image.height} pixels high.`;
  return null;
}
