// A list of rows of one height, of which only those in view are in the document; what a row shows is its maker's business.
//
// One row is in the Tab order, with its buttons; arrows, Home and End go to the others. Rows are kept by key, so that what has
// the focus or the pointer is never replaced.

import {el, oncePerFrame, setAttribute} from "./dom.js";

const BEYOND = 8;
const isCoarse = matchMedia("(pointer: coarse)");

/**
 * @template Item
 */
export class VirtualList {
  /** @type {Item[]} */
  items = [];
  /** @type {Map<string, number>} */
  places = new Map();
  /** @type {Map<string, HTMLLIElement>} The rows that are there. */
  rows = new Map();
  /** @type {string | null} The row in the Tab order. */
  active = null;

  /**
   * @param {{label: string, className?: string, keyOf: (item: Item) => string, makeRow: (key: string) => HTMLLIElement, showRow: (row: HTMLLIElement, item: Item) => void, moves?: (key: string) => void}} options
   *   `moves` is told which row got the focus by an arrow
   */
  constructor({label, className = "", keyOf, makeRow, showRow, moves = () => {}}) {
    this.keyOf = keyOf;
    this.makeRow = makeRow;
    this.showRow = showRow;
    this.moves = moves;
    this.list = el("ul", {class: className, "aria-label": label});
    this.element = el("div", {class: "rows"}, this.list);
    this.refresh = oncePerFrame(() => this.#render());
    this.element.addEventListener("scroll", this.refresh, {passive: true});
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("focusin", (event) => this.#focused(event));
    new ResizeObserver(this.refresh).observe(this.element);
    isCoarse.addEventListener("change", this.refresh);
  }

  get rowHeight() {
    return isCoarse.matches ? 44 : 30;
  }

  /** @param {Item[]} items */
  setItems(items) {
    this.items = items;
    this.places = new Map(items.map((item, i) => [this.keyOf(item), i]));
    if (this.active === null || !this.places.has(this.active)) this.active = items.length ? this.keyOf(items[0]) : null;
    this.#render();
  }

  /**
   * Make a row be in view. Of the others, only the one that was in the Tab order before is shown anew.
   * @param {string} key
   */
  reveal(key) {
    const place = this.places.get(key);
    if (place === undefined) return;
    const before = this.active;
    this.active = key;
    const [top, height] = [place * this.rowHeight, this.element.clientHeight];
    const {scrollTop} = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + height) this.element.scrollTop = top + this.rowHeight - height;
    else if (this.rows.has(key)) return this.show([before, key]);
    this.#render();
  }

  /** Show some rows anew, as far as they are there. @param {(string | null)[]} keys */
  show(keys) {
    for (const key of new Set(keys)) {
      const [row, place] = key === null ? [] : [this.rows.get(key), this.places.get(key)];
      if (row && place !== undefined) this.#fill(row, place);
    }
  }

  /** @param {Element} element within a row */
  keyAt(element) {
    return element.closest("li")?.dataset.key ?? null;
  }

  #render() {
    const height = this.rowHeight;
    this.#measure(height);
    const first = Math.max(0, Math.floor(this.element.scrollTop / height) - BEYOND);
    const last = Math.min(this.items.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / height) + BEYOND);
    const wanted = new Map(this.items.slice(first, last).map((item) => [this.keyOf(item), item]));
    this.#keepFocused(wanted);
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    let before = /** @type {Element | null} */ (null);
    for (const key of wanted.keys()) before = this.#place(key, before);
  }

  /** @param {number} height of a row */
  #measure(height) {
    const {style} = this.list;
    const all = `${this.items.length * height}px`;
    // Writing what is there already would have the browser lay the page out again.
    if (style.height !== all) style.height = all;
    if (style.getPropertyValue("--row") !== `${height}px`) style.setProperty("--row", `${height}px`);
  }

  /** @param {Map<string, Item>} wanted */
  #keepFocused(wanted) {
    const focused = this.list.contains(document.activeElement) ? this.keyAt(/** @type {Element} */ (document.activeElement)) : null;
    const place = focused === null ? undefined : this.places.get(focused);
    if (focused !== null && place !== undefined && !wanted.has(focused)) wanted.set(focused, this.items[place]);
  }

  /**
   * @param {string} key
   * @param {Element | null} before the row before it
   */
  #place(key, before) {
    let row = this.rows.get(key);
    if (!row) {
      row = this.makeRow(key);
      row.dataset.key = key;
      this.rows.set(key, row);
    }
    const place = /** @type {number} */ (this.places.get(key));
    const transform = `translateY(${place * this.rowHeight}px)`;
    if (row.style.transform !== transform) row.style.transform = transform;
    this.#fill(row, place);
    const next = before ? before.nextElementSibling : this.list.firstElementChild;
    if (next !== row) this.list.insertBefore(row, next);
    return row;
  }

  /**
   * @param {HTMLLIElement} row
   * @param {number} place
   */
  #fill(row, place) {
    const item = this.items[place];
    setAttribute(row, "aria-setsize", String(this.items.length));
    setAttribute(row, "aria-posinset", String(place + 1));
    this.showRow(row, item);
    const tabIndex = this.keyOf(item) === this.active ? "0" : "-1";
    for (const button of row.querySelectorAll("button")) setAttribute(button, "tabindex", tabIndex);
  }

  /** @param {FocusEvent} event */
  #focused({target}) {
    const key = this.keyAt(/** @type {Element} */ (target));
    if (key === null || key === this.active) return;
    const before = this.active;
    this.active = key;
    this.show([before, key]);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const step = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity}[event.key];
    const from = this.active === null ? undefined : this.places.get(this.active);
    if (step === undefined || from === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const key = this.keyOf(this.items[Math.min(this.items.length - 1, Math.max(0, from + step))]);
    this.reveal(key);
    this.rows.get(key)?.querySelector("button")?.focus({preventScroll: true});
    this.moves(key);
  }
}
