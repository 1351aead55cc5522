// The gallery's bar: what the list is filtered and sorted by, as controls and as chips. The address holds it; nothing else does.

import {go, imagesAddress} from "../state/router.js";
import {STATUSES, WORDS} from "../state/statuses.js";
import {el, iconButton} from "./dom.js";
import {chipsOf} from "./filter_words.js";
import {icon} from "./icons.js";

/** @import {Categories, Preferences} from "../types.js" */

const SORTS = [
  ["", "File order"],
  ["id", "Id"],
  ["file_name", "File name"],
  ["-annotation_count", "Most annotations"],
  ["annotation_count", "Fewest annotations"],
];
const ANNOTATED = [
  ["", "All images"],
  ["true", "Annotated"],
  ["false", "Not annotated"],
];
const STATES = [["", "Any state"], ...STATUSES.map((status) => [status, WORDS[status].title])];
const TYPING = 250;

export class GalleryFilters {
  query = new URLSearchParams();
  /** @type {number | undefined} */
  #timer;

  /**
   * @param {{categories: Categories, preferences: Preferences, chooseCategory: () => Promise<number | null>, nameOf: (id: number) => string}} parts
   */
  constructor({preferences, chooseCategory, nameOf, categories}) {
    this.nameOf = nameOf;
    this.fileName = el("input", {type: "search", placeholder: "File name", "aria-label": "File name contains", oninput: () => this.#soon()});
    this.annotated = this.#select("Annotated", "annotated", ANNOTATED);
    this.status = this.#select("State", "status", STATES);
    this.sort = this.#select("Sort by", "sort", SORTS);
    this.count = el("span", {class: "found", role: "status"});
    const category = el(
      "button",
      {type: "button", "aria-haspopup": "dialog", onclick: () => this.#addCategory(chooseCategory)},
      icon("tag"),
      "Category",
    );
    const size = el("input", {
      type: "range",
      min: "90",
      max: "420",
      step: "10",
      value: String(preferences.get("thumbnailSize")),
      "aria-label": "Size of the tiles",
      oninput: (/** @type {Event} */ event) => preferences.set("thumbnailSize", Number(/** @type {HTMLInputElement} */ (event.target).value)),
    });
    this.bar = el(
      "form",
      {class: "bar", role: "search", "aria-label": "Filter the images", onsubmit: (/** @type {Event} */ event) => event.preventDefault()},
      el("div", {class: "filter"}, icon("search"), this.fileName),
      category,
      this.annotated,
      this.status,
      this.sort,
      el("span", {class: "size-slider", title: "Size of the tiles"}, icon("images"), size),
      this.count,
    );
    this.chips = el("div", {class: "chips", role: "group", "aria-label": "Filters in force"});
    categories.on("change", () => this.#showChips());
  }

  /** @param {URLSearchParams} query */
  show(query) {
    this.query = query;
    // While somebody types, the field is theirs.
    if (document.activeElement !== this.fileName) this.fileName.value = query.get("file_name") ?? "";
    this.annotated.value = query.get("annotated") ?? "";
    this.status.value = query.get("status") ?? "";
    this.sort.value = query.get("sort") ?? "";
    this.#showChips();
  }

  #showChips() {
    const chips = chipsOf(this.query, this.nameOf);
    this.chips.hidden = !chips.length;
    const clear = new URLSearchParams([...this.query].filter(([name]) => name === "sort"));
    this.chips.replaceChildren(
      icon("filter"),
      ...chips.map(({label, without}) =>
        el(
          "span",
          {class: "chip"},
          el("span", {class: "text"}, label),
          iconButton("close", `Without: ${label}`, () => this.#leave(without)),
        ),
      ),
      el("button", {type: "button", class: "quiet", onclick: () => this.#leave(clear)}, "Clear"),
    );
  }

  /**
   * The chip that had the focus is gone then: the next one gets it, else the field.
   * @param {URLSearchParams} query
   */
  #leave(query) {
    this.fileName.value = query.get("file_name") ?? "";
    go(imagesAddress(query), {replace: true});
    (this.chips.querySelector("button") ?? this.fileName).focus();
  }

  /** @param {() => Promise<number | null>} choose */
  async #addCategory(choose) {
    const id = await choose();
    if (id === null || this.query.getAll("category_id").includes(String(id))) return;
    const query = new URLSearchParams(this.query);
    query.append("category_id", String(id));
    go(imagesAddress(query), {replace: true});
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#set("file_name", this.fileName.value), TYPING);
  }

  /**
   * @param {string} label
   * @param {string} name
   * @param {string[][]} options
   */
  #select(label, name, options) {
    return el(
      "select",
      {"aria-label": label, onchange: (/** @type {Event} */ event) => this.#set(name, /** @type {HTMLSelectElement} */ (event.target).value)},
      ...options.map(([value, text]) => el("option", {value}, text)),
    );
  }

  /**
   * All other filters stay as they are.
   * @param {string} name
   * @param {string} value
   */
  #set(name, value) {
    const query = new URLSearchParams(this.query);
    if (value) query.set(name, value);
    else query.delete(name);
    go(imagesAddress(query), {replace: true});
  }
}
