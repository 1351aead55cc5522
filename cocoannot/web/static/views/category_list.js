// The categories in the sidebar: which one the next shape gets, eye and lock, pins, edit and delete.

import {colour} from "../state/colours.js";
import {addCategory, deleteCategory} from "./category_dialogs.js";
import {editCategory} from "./category_edit.js";
import {el, iconButton, oncePerFrame, setAttribute, setText, swatch} from "./dom.js";
import {icon} from "./icons.js";
import {ranked} from "./palette_rank.js";
import {act, setAct} from "./row_acts.js";
import {VirtualList} from "./virtual_list.js";
import {nameOr, plural} from "./words.js";

/** @import {Categories, Category, Preferences, Session} from "../types.js" */
/** @import {Me} from "../state/me.js" */

export class CategoryList {
  /** @type {number | null} Of the next shape. */
  #chosen = null;

  /**
   * @param {{session: Session, categories: Categories, preferences: Preferences, me: Me, pinCategory: (id: number) => unknown}} parts
   */
  constructor({session, categories, preferences, me, pinCategory}) {
    this.me = me;
    this.session = session;
    this.categories = categories;
    this.pinCategory = pinCategory;
    this.title = el("h2", {}, "Categories");
    this.text = el("input", {type: "search", placeholder: "Find", "aria-label": "Find among the categories", oninput: () => this.refresh()});
    this.nothing = el("p", {class: "nothing", hidden: true});
    this.adds = iconButton("plus", "Add a category", () => this.#add());
    this.list = new VirtualList({
      label: "Categories",
      className: "categories",
      keyOf: (/** @type {Category} */ {id}) => String(id),
      makeRow: (key) => this.#makeRow(Number(key)),
      showRow: (row, category) => this.#showRow(row, category),
    });
    this.element = el(
      "section",
      {class: "panel", "aria-label": "Categories"},
      el(
        "div",
        {class: "panel-head"},
        this.title,
        this.adds,
      ),
      el("div", {class: "panel-tools"}, el("div", {class: "filter"}, icon("search"), this.text)),
      this.list.element,
      this.nothing,
    );
    this.refresh = oncePerFrame(() => this.#arrange());
    categories.on("change", this.refresh);
    me.on("change", this.refresh);
    session.on("visibility", this.list.refresh);
    session.on("category", (id) => this.#choose(id));
    preferences.on("change", (name) => name === "pinned" && this.list.refresh());
    this.refresh();
  }

  #arrange() {
    const all = this.categories.all();
    const wanted = this.text.value.trim();
    const found = wanted === "" ? all : ranked(all, wanted, []);
    setText(
      this.title,
      found.length === all.length ? plural(all.length, "category") : `${found.length.toLocaleString("en")} of ${plural(all.length, "category")}`,
    );
    this.nothing.hidden = found.length > 0;
    this.list.element.hidden = !found.length;
    const lacks = this.me.lacks("reviewer");
    this.adds.disabled = lacks !== null;
    setAttribute(this.adds, "title", lacks ? `Add a category: ${lacks}` : "Add a category");
    setText(this.nothing, all.length ? "None of them is called so" : lacks ? "There are no categories yet." : "There are no categories yet. Add one to draw shapes.");
    this.list.setItems(found);
  }

  /** Of 1,203 categories, two have become others. @param {number | null} id */
  #choose(id) {
    const rows = [this.#chosen, id].map((each) => (each === null ? null : String(each)));
    this.#chosen = id;
    this.list.show(rows);
    if (rows[1] !== null) this.list.reveal(rows[1]);
  }

  async #add() {
    const id = await addCategory(this.categories, this.text.value.trim());
    if (id !== null) this.session.setCategory(id);
  }

  /** @param {number} id */
  #makeRow(id) {
    const {visibility} = this.session;
    const withCategory = (/** @type {(category: Category) => unknown} */ run) => () => {
      const category = this.categories.get(id);
      if (category) void run(category);
    };
    const name = el(
      "button",
      {type: "button", class: "name", onclick: () => this.session.setCategory(id)},
      swatch(colour(id)),
      el("span", {class: "text"}),
      el("kbd", {hidden: true}),
      el("span", {class: "count"}),
    );
    return el(
      "li",
      {},
      name,
      el(
        "span",
        {class: "acts"},
        act("pin", "pin", () => this.pinCategory(id)),
        act(
          "rename",
          "edit",
          withCategory((category) => editCategory(this.categories, category)),
        ),
        act(
          "delete",
          "delete",
          withCategory((category) => deleteCategory(this.categories, category)),
        ),
        act("unlock", "lock", () => visibility.toggleLockedCategory(id)),
        act("eye", "hide", () => visibility.toggleHiddenCategory(id)),
      ),
    );
  }

  /**
   * @param {HTMLLIElement} row
   * @param {Category} category
   */
  #showRow(row, category) {
    const {visibility} = this.session;
    const {id} = category;
    const title = nameOr(category.name, `category ${id}`);
    const [button, acts] = /** @type {[HTMLButtonElement, HTMLElement]} */ ([...row.children]);
    const [, text, key, count] = /** @type {HTMLElement[]} */ ([...button.children]);
    const [locked, hidden, chosen] = [visibility.lockedCategories.has(id), visibility.hiddenCategories.has(id), this.session.category === id];
    setAttribute(row, "class", [chosen && "current", hidden && "unseen"].filter(Boolean).join(" "));
    setText(text, title);
    const digit = this.categories.keyOf(id);
    key.hidden = digit === null;
    setText(key, String(digit ?? ""));
    setText(count, String(category._annotation_count));
    setAttribute(button, "aria-pressed", String(chosen));
    setAttribute(button, "title", `${title}: the next shape is one of these, id ${id}`);
    const [pin, edit, remove, lock, eye] = /** @type {HTMLButtonElement[]} */ ([...acts.children]);
    setAct(pin, "pin", `Choose a key for ${title}`, false);
    const lacks = this.me.lacks("reviewer");
    const why = lacks ? `: ${lacks}` : "";
    edit.disabled = remove.disabled = lacks !== null;
    setAct(edit, "rename", `Edit ${title}${why}`, false);
    setAct(remove, "delete", `Delete ${title}${why}`, false);
    setAct(lock, locked ? "lock" : "unlock", `${locked ? "Unlock" : "Lock"} all of ${title}`, locked);
    setAct(eye, hidden ? "eye-off" : "eye", `${hidden ? "Show" : "Hide"} all of ${title}`, hidden);
  }
}
