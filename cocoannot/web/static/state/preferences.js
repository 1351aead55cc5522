// What a person has set for this browser, kept in localStorage. Nothing here is about a dataset.

import {Emitter} from "./emitter.js";

const PLACE = "cocoannot.preferences";

const DEFAULTS = {
  /** Of the picture; 1 is as it is. */
  brightness: 1,
  contrast: 1,
  gamma: 1,
  /** From 0 to 1. */
  fillOpacity: 0.2,
  showLabels: false,
  colourBy: /** @type {"category" | "instance"} */ ("category"),
  crosshair: true,
  /** Of the mask brush, in pixels of the picture; and whether what it paints is kept as polygons. */
  brushRadius: 12,
  brushPolygons: false,
  /** The lowest score of predictions that are shown; and whether any are. */
  minScore: 0.5,
  showPredictions: true,
  /** In pixels, as `sidebarWidth` and `sidebarDivider` (from 0 to 1, of its height). */
  thumbnailSize: 180,
  sidebarWidth: 300,
  sidebarDivider: 0.55,
  sidebarCollapsed: false,
  sortObjects: /** @type {"file" | "category" | "size" | "position"} */ ("file"),
  /** The ids of the categories that the keys 1 to 9 choose; `null` where the first of the list is meant. */
  pinned: /** @type {(number | null)[]} */ (Array(9).fill(null)),
  /** @type {Record<string, string[]>} Keys of commands that the user changed, by the command's id. */
  keys: {},
  singleKeys: true,
};

/** @typedef {typeof DEFAULTS} Values */

/** @extends {Emitter<{change: keyof Values}>} */
export class Preferences extends Emitter {
  /** @type {Values} */
  #values = structuredClone(DEFAULTS);
  #storage;

  /** @param {Pick<Storage, "getItem" | "setItem"> | null} [storage] */
  constructor(storage = ownStorage()) {
    super();
    this.#storage = storage;
    this.#read();
  }

  /**
   * @template {keyof Values} Name
   * @param {Name} name
   * @returns {Values[Name]}
   */
  get(name) {
    return this.#values[name];
  }

  /**
   * @template {keyof Values} Name
   * @param {Name} name
   * @param {Values[Name]} value
   */
  set(name, value) {
    if (Object.is(this.#values[name], value)) return;
    this.#values[name] = value;
    try {
      this.#storage?.setItem(PLACE, JSON.stringify(this.#values));
    } catch {
      // It is full or forbidden: then the value holds until the page is closed.
    }
    this.emit("change", name);
  }

  /** @param {keyof Values} name */
  reset(name) {
    this.set(name, structuredClone(DEFAULTS)[name]);
  }

  #read() {
    try {
      const read = JSON.parse(this.#storage?.getItem(PLACE) ?? "{}");
      for (const name of /** @type {(keyof Values)[]} */ (Object.keys(DEFAULTS))) {
        // Of another kind: written by another version of the page.
        if (typeof read[name] === typeof DEFAULTS[name] && read[name] !== null) Object.assign(this.#values, {[name]: read[name]});
      }
    } catch {
      // Not JSON, or forbidden: as if nothing were set.
    }
  }
}

function ownStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
