// The annotations of the open image as a list: filter, order, selection, eye and lock, relabel and delete. What these do is the
// session's business; which rows there are, and in which order, is objects_order.js'.

import {colour, numberOf} from "../state/colours.js";
import {colourOfPerson, nameOfPerson} from "../state/people.js";
import {bounds, kindOf} from "../shapes/registry.js";
import {el, iconButton, oncePerFrame, setAttribute, setText} from "./dom.js";
import {icon} from "./icons.js";
import {SORTS, arranged, titleOf} from "./objects_order.js";
import {act, setAct} from "./row_acts.js";
import {VirtualList} from "./virtual_list.js";
import {plural} from "./words.js";

/** @import {Entry, Key, Preferences, Session} from "../types.js" */
/** @import {Sort} from "./objects_order.js" */

/** How long the name of somebody else stands beside what they changed, in milliseconds. */
const NAMED = 5000;

/**
 * @typedef {object} Parts
 * @property {Session} session
 * @property {Preferences} preferences
 * @property {(id: number | null | undefined) => string} nameOf
 * @property {(listener: () => void) => unknown} onNames calls the listener after names of categories changed
 * @property {(keys: Key[]) => unknown} relabel lets the user choose another category for these
 * @property {(entry: Entry) => unknown} showText shows the record's text
 * @property {(key: Key) => unknown} panTo
 * @property {(key: Key) => unknown} zoomTo
 */

export class Objects {
  /** @type {ReadonlySet<Key>} As the rows show them. */
  #selected = new Set();
  /** @type {Key | null} Where a range begins that Shift ends. */
  #from = null;

  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
    this.title = el("h2", {}, "Annotations");
    this.eye = iconButton("eye", "Hide or show all", () => parts.session.visibility.toggleAll());
    this.text = el("input", {type: "search", placeholder: "Find", "aria-label": "Find among the annotations", oninput: () => this.refresh()});
    this.sort = el(
      "select",
      {
        "aria-label": "Order of the annotations",
        title: "Order",
        onchange: () => parts.preferences.set("sortObjects", /** @type {Sort} */ (this.sort.value)),
      },
      ...SORTS.map(([value, text]) => el("option", {value}, text)),
    );
    this.sort.value = parts.preferences.get("sortObjects");
    this.nothing = el("p", {class: "nothing", hidden: true});
    this.list = new VirtualList({
      label: "Annotations of this image",
      className: "objects",
      keyOf: (/** @type {Entry} */ {key}) => key,
      makeRow: (key) => this.#makeRow(key),
      showRow: (row, entry) => this.#showRow(row, entry),
      moves: (key) => parts.session.hover(key),
    });
    this.element = el(
      "section",
      {class: "panel", "aria-label": "Annotations"},
      el("div", {class: "panel-head"}, this.title, this.eye),
      el("div", {class: "panel-tools"}, el("div", {class: "filter"}, icon("search"), this.text), this.sort),
      this.list.element,
      this.nothing,
    );
    this.refresh = oncePerFrame(() => this.#arrange());
    this.#listen();
  }

  #listen() {
    const {session, preferences, onNames} = this.parts;
    for (const event of /** @type {const} */ (["differences", "state", "visibility"])) session.on(event, this.refresh);
    session.on("hover", this.list.refresh);
    session.on("selection", () => this.#showSelection());
    preferences.on("change", (name) => (name === "sortObjects" || name === "colourBy") && this.refresh());
    onNames(this.refresh);
    this.list.element.addEventListener("pointerleave", () => session.hover(null));
  }

  #arrange() {
    const {session, preferences, nameOf} = this.parts;
    const total = session.entries.size;
    const entries = arranged(session.entries.values(), {text: this.text.value, sort: preferences.get("sortObjects"), nameOf, boundsOf});
    this.sort.value = preferences.get("sortObjects");
    setText(
      this.title,
      entries.length === total ? plural(total, "annotation") : `${entries.length.toLocaleString("en")} of ${plural(total, "annotation")}`,
    );
    const {allHidden} = session.visibility;
    setAttribute(this.eye, "aria-pressed", String(allHidden));
    this.eye.replaceChildren(icon(allHidden ? "eye-off" : "eye"));
    this.nothing.hidden = entries.length > 0;
    this.list.element.hidden = !entries.length;
    setText(
      this.nothing,
      !session.isThere
        ? session.state === "loading"
          ? "Loading..."
          : "No image"
        : total
          ? "None of them is called so"
          : session.lacks
            ? "Nothing is annotated yet."
            : "Nothing is annotated yet. Choose a tool and draw.",
    );
    this.list.setItems(entries);
  }

  #showSelection() {
    const {selection, visibility} = this.parts.session;
    const [key] = selection;
    this.list.show([...this.#selected, ...selection]);
    this.#selected = selection;
    // One that was chosen in the picture comes into view; several stay where they are.
    if (key !== undefined && selection.size === 1) this.list.reveal(key);
    if (visibility.onlySelected) this.list.refresh();
  }

  /** @param {Key} key */
  #makeRow(key) {
    const {session, relabel} = this.parts;
    const name = el(
      "button",
      {
        type: "button",
        class: "name",
        onclick: (/** @type {MouseEvent} */ event) => this.#choose(key, event),
        ondblclick: () => this.parts.zoomTo(key),
      },
      el("span", {class: "swatch", "aria-hidden": "true"}),
      el("span", {class: "text"}),
      el("span", {class: "by", hidden: true}),
      el("span", {class: "kind"}),
    );
    const acts = el(
      "span",
      {class: "acts"},
      act("text", "text", () => this.#entry(key, this.parts.showText)),
      act("rename", "relabel", () => relabel([key])),
      act("delete", "delete", () => this.#remove(key)),
      act("unlock", "lock", () => session.visibility.toggleLocked(key)),
      act("eye", "hide", () => session.visibility.toggleHidden(key)),
    );
    return el("li", {onpointerenter: () => session.hover(key)}, name, acts);
  }

  /**
   * @param {HTMLLIElement} row
   * @param {Entry} entry
   */
  #showRow(row, entry) {
    const {session, nameOf, preferences} = this.parts;
    const {key, annotation, id, broken} = entry;
    const title = titleOf(entry, nameOf);
    const kind = broken === null ? (kindOf(annotation) ?? "none") : "warning";
    const [button, acts] = /** @type {[HTMLButtonElement, HTMLElement]} */ ([...row.children]);
    const [square, text, by, mark] = /** @type {HTMLElement[]} */ ([...button.children]);
    const chosen = session.selection.has(key);
    const state = [
      chosen && "current",
      session.hovered === key && "hovered",
      entry.pending && "pending",
      broken !== null && "broken",
      !session.isVisible(entry) && "unseen",
    ];
    setAttribute(row, "class", state.filter(Boolean).join(" "));
    square.style.backgroundColor = preferences.get("colourBy") === "instance" ? colour(numberOf(key)) : colour(annotation.category_id);
    setText(text, title);
    this.#showAuthor(by, entry);
    if (mark.dataset.kind !== kind) mark.replaceChildren(icon(kind));
    mark.dataset.kind = kind;
    setAttribute(button, "aria-pressed", String(chosen));
    setAttribute(button, "title", `${title}, ${broken === null ? kind : `can't be drawn: ${broken}`}${id === null ? "" : `, id ${id}`}`);
    setAttribute(button, "aria-label", `${title}, ${broken === null ? kind : `can't be drawn: ${broken}`}`);
    this.#showActs(acts, entry, title);
  }

  /**
   * The name of somebody else, beside what they have just changed.
   * @param {HTMLElement} by
   * @param {Entry} entry
   */
  #showAuthor(by, {others}) {
    const left = others ? others.at + NAMED - Date.now() : 0;
    by.hidden = left <= 0;
    if (!others) return;
    setText(by, nameOfPerson(others.user));
    by.style.setProperty("--person", colourOfPerson(others.user, {bright: true}));
    if (left > 0) setTimeout(this.refresh, left + 20);
  }

  /**
   * @param {HTMLElement} acts
   * @param {Entry} entry
   * @param {string} title
   */
  #showActs(acts, entry, title) {
    const {visibility} = this.parts.session;
    const [showText, relabel, remove, lock, eye] = /** @type {HTMLButtonElement[]} */ ([...acts.children]);
    const canEdit = this.parts.session.canEdit();
    const {lacks} = this.parts.session;
    const why = lacks ? `: ${lacks}` : "";
    showText.hidden = entry.broken === null;
    relabel.hidden = entry.annotation.category_id === undefined || entry.broken !== null;
    relabel.disabled = remove.disabled = !canEdit;
    setAct(showText, "text", `Show the text of ${title}`, false);
    setAct(relabel, "rename", `Another category for ${title}${why}`, false);
    setAct(remove, "delete", `Delete ${title}${why}`, false);
    const [locked, hidden] = [visibility.lockedKeys.has(entry.key), visibility.hiddenKeys.has(entry.key)];
    setAct(lock, locked ? "lock" : "unlock", `${locked ? "Unlock" : "Lock"} ${title}`, locked);
    setAct(eye, hidden ? "eye-off" : "eye", `${hidden ? "Show" : "Hide"} ${title}`, hidden);
  }

  /**
   * @param {Key} key
   * @param {MouseEvent} event
   */
  #choose(key, {shiftKey, ctrlKey, metaKey}) {
    const {session, panTo} = this.parts;
    // One that was chosen in the picture begins a range too.
    const [first = null] = session.selection.size === 1 ? session.selection : [this.#from];
    const [from, to] = [first === null ? undefined : this.list.places.get(first), this.list.places.get(key)];
    if (shiftKey && from !== undefined && to !== undefined) {
      session.select(this.list.items.slice(Math.min(from, to), Math.max(from, to) + 1).map((entry) => entry.key));
      return;
    }
    this.#from = key;
    session.select([key], ctrlKey || metaKey ? "toggle" : "replace");
    panTo(key);
  }

  /** The focus goes to the row that takes the place of the deleted one. @param {Key} key */
  #remove(key) {
    const place = this.list.places.get(key) ?? 0;
    this.parts.session.remove([key]);
    const next = this.list.items.filter((entry) => entry.key !== key)[place] ?? this.list.items.findLast((entry) => entry.key !== key);
    requestAnimationFrame(() => requestAnimationFrame(() => (next ? this.list.rows.get(next.key)?.querySelector("button") : this.text)?.focus()));
  }

  /**
   * @param {Key} key
   * @param {(entry: Entry) => unknown} run
   */
  #entry(key, run) {
    const entry = this.parts.session.entries.get(key);
    if (entry) run(entry);
  }
}

/** @param {Entry} entry */
const boundsOf = ({annotation, broken}) => (broken === null ? bounds(annotation) : null);
