// The pen of the brush: its size, which stays from day to day, and what a stroke with it does.

import {Emitter} from "../state/emitter.js";

/** @import {Preferences} from "../types.js" */

/** In pixels of the picture. */
const LEAST = 0.5;
const MOST = 2000;
/** From one size to the next. */
const STEP = 1.15;

/** @extends {Emitter<{change: undefined}>} */
export class Pen extends Emitter {
  erases = false;
  /** A stroke also fills what it goes around. */
  encloses = false;
  #preferences;

  /** @param {Preferences} preferences */
  constructor(preferences) {
    super();
    this.#preferences = preferences;
    preferences.on("change", (name) => name === "brushRadius" && this.emit("change"));
  }

  /** In pixels of the picture. */
  get radius() {
    return this.#preferences.get("brushRadius");
  }

  /** So many sizes larger; smaller where it is negative. Gives that something was done. @param {number} steps */
  resize(steps) {
    const grown = this.radius * STEP ** steps;
    // To halves of a pixel: small pens are to be even, and a step is to change something.
    const next = Math.round(2 * grown) / 2;
    const radius = next === this.radius ? this.radius + Math.sign(steps) / 2 : next;
    this.#preferences.set("brushRadius", Math.min(MOST, Math.max(LEAST, radius)));
    return true;
  }

  /** @param {"erases" | "encloses"} name */
  toggle(name) {
    this[name] = !this[name];
    this.emit("change");
  }
}
