// The category palette: typing narrows, arrows choose, Enter takes. What is done with the category is the caller's business.

import {openDialog} from "./dialogs.js";
import {el, setAttribute, setText, swatch} from "./dom.js";
import {icon} from "./icons.js";
import {ranked} from "./palette_rank.js";
import {VirtualList} from "./virtual_list.js";
import {nameOr, plural} from "./words.js";

/** @import {Category} from "../types.js" */

/**
 * The id of the category that the user takes; `null` where the palette was closed. `create(name)` makes a category that is not
 * there, and gives its id; `pin` gives a category one of the keys 1 to 9.
 * @param {string} title
 * @param {{categories: Iterable<Category>, recent: readonly number[], colourOf: (id: number) => string, create?: (name: string) => Promise<number | null>, keyOf?: (id: number) => number | null, pin?: (key: number, id: number) => unknown}} options
 * @returns {Promise<number | null>}
 */
export async function pickCategory(title, {categories, recent, colourOf, create, keyOf = () => null, pin}) {
  const all = [...categories];
  let newName = "";
  const id = await openDialog(title, {
    className: "palette",
    makeContent: (close) => {
      const finder = new Finder(all, {recent, colourOf, keyOf, pin, take: close});
      const add = el("button", {
        type: "button",
        class: "quiet",
        hidden: true,
        onclick: () => {
          newName = finder.text;
          close(null);
        },
      });
      finder.onText = () => {
        const name = finder.text;
        add.hidden = !create || name === "" || all.some((category) => category.name === name);
        add.replaceChildren(icon("plus"), el("span", {class: "text"}, `New category “${name}”`));
      };
      return [
        ...finder.elements,
        add,
        el(
          "p",
          {class: "palette-foot"},
          el("kbd", {}, "↑"),
          " ",
          el("kbd", {}, "↓"),
          " choose, ",
          el("kbd", {}, "Enter"),
          " take, ",
          el("kbd", {}, "Esc"),
          " close",
          ...(pin ? [", ", el("kbd", {}, "Alt+1"), " to ", el("kbd", {}, "9"), " pin to a key"] : []),
        ),
      ];
    },
    closeButton: true,
  });
  return id === null && newName && create ? create(newName) : id;
}

/** The field and the list below it: a combobox, whose focus stays in the field. */
class Finder {
  at = 0;
  onText = () => {};

  /**
   * @param {Category[]} all
   * @param {{recent: readonly number[], colourOf: (id: number) => string, keyOf: (id: number) => number | null, pin?: (key: number, id: number) => unknown, take: (id: number | null) => void}} options `take(null)` closes it
   */
  constructor(all, {recent, colourOf, keyOf, pin, take}) {
    this.all = all;
    this.recent = recent;
    this.colourOf = colourOf;
    this.keyOf = keyOf;
    this.pin = pin;
    this.take = take;
    this.input = el("input", {
      type: "search",
      role: "combobox",
      "aria-expanded": "true",
      "aria-controls": "palette-list",
      "aria-autocomplete": "list",
      "aria-label": "Category",
      placeholder: `Find among ${plural(all.length, "category")}`,
      autocomplete: "off",
      spellcheck: "false",
      autofocus: true,
      oninput: () => this.#narrow(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.list = new VirtualList({
      label: "Categories",
      keyOf: (/** @type {Category} */ {id}) => String(id),
      makeRow: (key) => this.#makeRow(key),
      showRow: (row, category) => this.#showRow(row, category),
    });
    // What scrolls is the list box, and the list within it has no meaning of its own.
    this.list.element.id = "palette-list";
    this.list.element.setAttribute("role", "listbox");
    this.list.element.setAttribute("aria-label", "Categories");
    this.list.list.setAttribute("role", "none");
    this.list.list.removeAttribute("aria-label");
    this.nothing = el("p", {class: "nothing", hidden: true}, "No category has this name");
    this.count = el("p", {class: "for-readers", role: "status"});
    this.elements = [el("div", {class: "filter"}, icon("search"), this.input), this.list.element, this.nothing, this.count];
    requestAnimationFrame(() => this.#narrow());
  }

  get text() {
    return this.input.value.trim();
  }

  #narrow() {
    this.at = 0;
    const found = ranked(this.all, this.input.value, this.recent);
    this.list.element.scrollTop = 0;
    this.list.setItems(found);
    this.list.element.hidden = !found.length;
    this.nothing.hidden = found.length > 0;
    this.count.textContent = plural(found.length, "category");
    this.#choose(0);
    this.onText();
  }

  /** @param {number} place */
  #choose(place) {
    const {items} = this.list;
    this.at = items.length ? Math.min(items.length - 1, Math.max(0, place)) : 0;
    const chosen = items[this.at];
    if (chosen) {
      this.list.reveal(String(chosen.id));
      this.input.setAttribute("aria-activedescendant", `palette-${chosen.id}`);
    } else this.input.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10}[event.key];
    const chosen = this.list.items[this.at];
    // By where it lies: with Alt, it may type another sign.
    const digit = event.altKey && !event.ctrlKey ? /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1] : undefined;
    if (step !== undefined) this.#choose(this.at + step);
    else if (digit && this.pin && chosen) {
      this.pin(Number(digit), chosen.id);
      this.list.refresh();
    }
    // In a field for a search, Esc would only empty it.
    else if (event.key === "Escape") this.take(null);
    else if (event.key === "Enter" && chosen && !event.isComposing) this.take(chosen.id);
    else return;
    event.preventDefault();
  }

  /** @param {string} key */
  #makeRow(key) {
    const id = Number(key);
    return el("li", {
      role: "option",
      id: `palette-${key}`,
      onmousedown: (/** @type {Event} */ event) => event.preventDefault(),
      onclick: () => this.take(id),
    });
  }

  /**
   * @param {HTMLLIElement} row
   * @param {Category} category
   */
  #showRow(row, category) {
    setAttribute(row, "aria-selected", String(this.list.items[this.at] === category));
    const key = this.keyOf(category.id);
    const mark = row.lastElementChild;
    if (mark) {
      setText(mark, key ? String(key) : "");
      return;
    }
    const group = category.supercategory && category.supercategory !== "none" ? String(category.supercategory) : null;
    row.append(
      swatch(this.colourOf(category.id)),
      el("span", {class: "text"}, nameOr(category.name, `category ${category.id}`)),
      group ? el("span", {class: "super text"}, group) : "",
      el("kbd", {}, key ? String(key) : ""),
    );
    row.title = `${nameOr(category.name, "no name")}, id ${category.id}`;
  }
}
