// What holds now, above the lists: the category of what is selected, and, apart from it, that of the next shape; and what the record
// of one that is selected has.

import {colour} from "../state/colours.js";
import {Details} from "./details.js";
import {el, oncePerFrame, setAttribute} from "./dom.js";
import {icon} from "./icons.js";
import {Inspector} from "./inspector.js";
import {plural} from "./words.js";

/** @import {Categories, Session} from "../types.js" */

export class InForce {
  /** @param {{session: Session, categories: Categories, relabelSelection: () => unknown, chooseNext: () => unknown}} parts */
  constructor({session, categories, relabelSelection, chooseNext}) {
    this.session = session;
    this.categories = categories;
    this.selected = categoryButton(relabelSelection);
    this.next = categoryButton(chooseNext);
    this.inspector = new Inspector(session);
    this.details = new Details({session, categories});
    this.element = el(
      "section",
      {class: "in-force", "aria-label": "Selection and next shape"},
      el("span", {class: "label"}, "Next shape"),
      this.next,
      el("span", {class: "label"}, "Selected"),
      this.selected,
      this.inspector.element,
      this.details.element,
    );
    const refresh = oncePerFrame(() => this.#show());
    for (const event of /** @type {const} */ (["selection", "differences", "category", "state", "visibility"])) session.on(event, refresh);
    categories.on("change", refresh);
    this.#show();
  }

  #show() {
    const {session, categories} = this;
    const {category} = session;
    showCategory(this.next, category, category === null ? "none: add a category" : categories.nameOf(category), "Category of the next shape");
    const entries = [...session.selection].map((key) => session.entries.get(key)).filter((entry) => entry !== undefined);
    const ids = new Set(entries.map(({annotation}) => annotation.category_id ?? null));
    const one = ids.size === 1 ? [...ids][0] : null;
    const name =
      ids.size > 1
        ? `${plural(entries.length, "annotation")}, ${plural(ids.size, "category")}`
        : `${categories.nameOf(one)}${entries.length > 1 ? ` × ${entries.length}` : ""}`;
    // It keeps its room, so that the lists below stay where they are under the pointer.
    this.selected.disabled = !entries.length;
    showCategory(this.selected, one, entries.length ? name : "nothing", "Category of what is selected");
    const [only = null] = entries.length === 1 ? entries : [];
    this.inspector.show(only);
    this.details.show(only);
  }
}

/** @param {() => unknown} run */
const categoryButton = (run) =>
  el(
    "button",
    {type: "button", class: "category-button", "aria-haspopup": "dialog", onclick: run},
    el("span", {class: "swatch", "aria-hidden": "true"}),
    el("span", {class: "text"}),
    icon("down"),
  );

/**
 * @param {HTMLElement} button
 * @param {number | null} id
 * @param {string} name
 * @param {string} label
 */
function showCategory(button, id, name, label) {
  const [square, text] = /** @type {HTMLElement[]} */ ([...button.children]);
  square.style.backgroundColor = id === null ? "transparent" : colour(id);
  text.textContent = name;
  setAttribute(button, "aria-label", `${label}: ${name}`);
  setAttribute(button, "title", `${label}: ${name}`);
}
