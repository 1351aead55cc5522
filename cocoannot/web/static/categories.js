// The categories: known to all views, listed and changed in the editor's side panel.

import {get, messageOf, send} from "./api.js";
import {changeBy} from "./changes.js";
import {choose, confirm, prompt, toast} from "./dialogs.js";
import {colour} from "./colours.js";
import {el, plural} from "./dom.js";

/** @import {Category, Choice} from "./types.js" */

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {Map<number, Category>} */
let known = new Map();
/** @type {Set<number>} */
const hidden = new Set();
/** @type {number | undefined} */
let waiting;

export const all = () => known;
export const isHidden = () => hidden;
/** @param {number | undefined} id */
export const nameOf = (id) => (id === undefined || id === null ? "no category" : known.get(id)?.name ?? `category ${id}`);

/**
 * Calls `listener()` after the categories, or which of them are hidden, changed.
 * @param {() => void} listener
 */
export function onCategories(listener) {
  listeners.add(listener);
}

export async function load() {
  const {body} = await get("api/categories?with=annotation_count");
  known = new Map(body.map((category) => [category.id, category]));
  tell();
}

/** After annotations changed, when no other change follows at once: their counts are others. */
export function loadSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(() => load().catch(() => {}), 700);
}

const tell = () => listeners.forEach((listener) => listener());

/** The side panel: `current()` is the id that new shapes get, `pick(id)` changes it. */
export class CategoryPanel {
  /**
   * @param {HTMLElement} element
   * @param {{current: () => number | null, pick: (id: number) => void}} options
   */
  constructor(element, {current, pick}) {
    this.element = element;
    this.current = current;
    this.pick = pick;
    this.list = el("ul", {class: "categories", "aria-label": "Categories"});
    const add = el("button", {type: "button", onclick: () => this.#add(), title: "Add a category"}, "Add");
    element.replaceChildren(el("h2", {}, "Categories ", add), this.list);
    onCategories(() => this.show());
  }

  show() {
    this.list.replaceChildren(...[...known.values()].map((category, i) => this.#row(category, i)));
  }

  /**
   * @param {Category} category
   * @param {number} i
   */
  #row(category, i) {
    const isCurrent = category.id === this.current();
    const swatch = el("span", {class: "swatch", "aria-hidden": "true"});
    swatch.style.background = colour(category.id);
    const key = i < 9 ? el("kbd", {}, String(i + 1)) : null;
    const isShown = !hidden.has(category.id);
    return el("li", {class: isCurrent ? "current" : ""},
      el("button", {type: "button", class: "name", "aria-pressed": String(isCurrent), title: `Use ${category.name}${i < 9 ? ` (${i + 1})` : ""}`, onclick: () => this.pick(category.id)},
        swatch, el("span", {class: "text"}, String(category.name)), key),
      el("span", {class: "count"}, String(category._annotation_count)),
      el("button", {type: "button", "aria-pressed": String(!isShown), "aria-label": `${isShown ? "Hide" : "Show"} ${category.name}`, title: isShown ? "Hide" : "Show", onclick: () => this.#toggle(category.id)}, isShown ? "●" : "○"),
      el("button", {type: "button", "aria-label": `Rename ${category.name}`, title: "Rename", onclick: () => this.#rename(category)}, "✎"),
      el("button", {type: "button", "aria-label": `Delete ${category.name}`, title: "Delete", onclick: () => this.#delete(category)}, "✕"));
  }

  /** @param {number} id */
  #toggle(id) {
    if (!hidden.delete(id)) hidden.add(id);
    tell();
  }

  async #add() {
    const name = await prompt("New category", {label: "Name"});
    if (!name) return;
    let added = /** @type {Category | null} */ (null);
    await this.#try(() => changeBy(
      async () => (added = (await send("POST", "api/categories", added ? strip(added) : {name})).body),
      () => send("DELETE", `api/categories/${added?.id}`),
    ));
    if (added) this.pick(added.id);
  }

  /** @param {Category} category */
  async #rename(category) {
    const name = await prompt("Rename category", {label: "Name", value: category.name});
    if (!name || name === category.name) return;
    const path = `api/categories/${category.id}`;
    await this.#try(() => changeBy(() => send("PATCH", path, {name}), () => send("PATCH", path, {name: category.name})));
  }

  /** @param {Category} category */
  async #delete(category) {
    const others = [...known.values()].filter(({id}) => id !== category.id);
    if (!category._annotation_count) {
      if (!(await confirm(`Delete ${category.name}?`, "No annotation uses it.", "Delete"))) return;
      await this.#try(() => changeBy(() => send("DELETE", `api/categories/${category.id}`), () => send("POST", "api/categories", strip(category))));
      return;
    }
    const target = el("select", {"aria-label": "Move them to"}, ...others.map(({id, name}) => el("option", {value: String(id)}, String(name))));
    const content = el("div", {}, el("p", {}, `${plural(category._annotation_count, "annotation")} use it. They can be moved to another category first; that can't be undone.`), el("label", {}, "Move them to", target));
    /** @type {Choice<true>[]} */
    const choices = [{value: null, text: "Cancel", primary: true}];
    if (others.length) choices.unshift({value: true, text: "Move them and delete", danger: true});
    if (!(await choose(`Delete ${category.name}?`, content, choices))) return;
    await this.#try(() => send("DELETE", `api/categories/${category.id}?reassign_to=${target.value}`));
  }

  /** @param {() => Promise<unknown>} run */
  async #try(run) {
    try {
      await run();
    } catch (error) {
      toast(messageOf(error), {error: true});
    }
    await load();
  }
}

/**
 * A record without what was derived.
 * @param {Category} category
 */
function strip(category) {
  return Object.fromEntries(Object.entries(category).filter(([key]) => !key.startsWith("_")));
}
