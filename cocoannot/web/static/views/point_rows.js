// The keypoints of the selected annotation as a table: where each is, and whether it is seen, hidden or not there. Who can't point
// at the picture places them here.

import {frameOf, inside} from "../geometry/placing.js";
import {pointsOf, withPoints} from "../shapes/keypoints.js";
import {el, setText} from "./dom.js";

/** @import {Annotation, Categories, Entry, Session} from "../types.js" */
/** @import {Keypoint} from "../shapes/types.js" */

const STATES = [["2", "seen"], ["1", "hidden"], ["0", "not there"]];

export class PointRows {
  /** @type {Entry | null} */
  #entry = null;
  /** @type {string | null} What the rows are made for. */
  #made = null;

  /** @param {{session: Session, categories: Categories, change: (changes: Partial<Annotation>) => unknown}} parts */
  constructor({session, categories, change}) {
    this.session = session;
    this.categories = categories;
    this.change = change;
    this.rows = el("div", {class: "point-rows"});
    this.fault = el("p", {class: "fault", role: "alert", hidden: true});
    this.element = el("section", {"aria-label": "Keypoints", hidden: true}, el("h2", {}, "Keypoints"), this.rows, this.fault);
  }

  /**
   * @param {Entry} entry
   * @param {boolean} locked
   */
  show(entry, locked) {
    const {annotation} = entry;
    const points = entry.broken === null ? pointsOf(annotation) : [];
    this.#entry = entry;
    this.element.hidden = !points.length;
    if (!points.length) return;
    const names = this.categories.keypointsOf(annotation.category_id ?? null);
    const made = JSON.stringify([annotation.id, points.length, names]);
    if (made !== this.#made) {
      this.rows.replaceChildren(...points.map((_, i) => this.#row(names[i] ?? `Keypoint ${i + 1}`, i)));
      this.fault.hidden = true;
    }
    this.#made = made;
    for (const [i, point] of points.entries()) this.#showRow(/** @type {HTMLElement} */ (this.rows.children[i]), point, locked);
  }

  /**
   * @param {HTMLElement} row
   * @param {Keypoint | null} point
   * @param {boolean} locked
   */
  #showRow(row, point, locked) {
    const [, x, y, state] = /** @type {[HTMLElement, HTMLInputElement, HTMLInputElement, HTMLSelectElement]} */ ([...row.children]);
    const shown = JSON.stringify(point);
    // Somebody who types keeps what is typed, until the point is another.
    if (row.dataset.shown !== shown || !row.contains(document.activeElement)) {
      [x.value, y.value] = point ? [String(point.x), String(point.y)] : ["", ""];
      state.value = String(point?.visible ?? 0);
    }
    row.dataset.shown = shown;
    for (const input of [x, y, state]) input.disabled = locked;
  }

  /**
   * @param {string} name
   * @param {number} place
   */
  #row(name, place) {
    const number = (/** @type {string} */ side) =>
      el("input", {type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": `${name}, ${side}`, onchange: () => this.#take(place, false), onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation()});
    const state = el("select", {"aria-label": `${name}: seen, hidden or not there`, onchange: () => this.#take(place, true)}, ...STATES.map(([value, title]) => el("option", {value}, title)));
    return el("div", {class: "point-row"}, el("span", {class: "text", title: name}, name), number("left"), number("top"), state);
  }

  /**
   * @param {number} place
   * @param {boolean} isState whether that was changed, and not a number
   */
  #take(place, isState) {
    const annotation = this.session.now(this.#entry)?.annotation;
    if (!annotation) return;
    const [, left, top, state] = /** @type {[HTMLElement, HTMLInputElement, HTMLInputElement, HTMLSelectElement]} */ ([...this.rows.children[place].children]);
    const [x, y] = [left, top].map(({value}) => (value.trim() === "" ? NaN : Number(value.replace(",", "."))));
    const isKnown = Number.isFinite(x) && Number.isFinite(y);
    // Numbers for one that was not there mean that it is.
    const visible = isState ? Number(state.value) : Number(state.value) || 2;
    if (visible && !isKnown) return this.#say(left.value.trim() && top.value.trim() ? "Type numbers of pixels." : "Type where it is: how far from the left, and from the top.");
    const points = pointsOf(annotation);
    const before = points[place];
    const isMoved = visible > 0 && !(before?.x === x && before.y === y);
    const frame = frameOf(this.session.image);
    if (isMoved && (x < 0 || y < 0 || x > frame.width || y > frame.height)) return this.#say(`The picture is ${frame.width} × ${frame.height} pixels.`);
    const at = isMoved ? inside([x, y], frame) : [x, y];
    const after = points.with(place, visible ? {x: at[0], y: at[1], visible} : null);
    if (!after.some(Boolean)) {
      state.value = String(before?.visible ?? 0);
      return this.#say("A shape needs one keypoint: delete the annotation instead.");
    }
    this.#say(null);
    this.change({keypoints: withPoints(annotation, after)});
  }

  /** @param {string | null} words */
  #say(words) {
    this.fault.hidden = words === null;
    setText(this.fault, words ?? "");
  }
}
