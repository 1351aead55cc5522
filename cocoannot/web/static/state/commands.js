// What can be done, each thing once: toolbar, dialog of keys, palette and keyboard all ask here. Keys can be changed and are
// kept in the preferences. Who listens to the keyboard asks `match`.

import {Emitter} from "./emitter.js";

/** @import {Command} from "../types.js" */
/** @import {Preferences} from "./preferences.js" */

/**
 * What of a KeyboardEvent matters.
 * @typedef {{key: string, code: string, ctrlKey: boolean, metaKey: boolean, shiftKey: boolean, altKey: boolean}} Pressed
 */

/** @type {Record<string, string>} Signs that other layouts have elsewhere or nowhere, by where they lie on an English keyboard. */
const SIGNS = {BracketLeft: "[", BracketRight: "]", Slash: "/", Minus: "-", Equal: "="};

/** @extends {Emitter<{change: undefined}>} */
export class Commands extends Emitter {
  /** @type {Map<string, Command>} */
  #commands = new Map();
  #preferences;
  /** @type {Command["scope"]} What is shown now: `everywhere` where neither editor nor gallery is. */
  scope = "everywhere";

  /** @param {Preferences} preferences */
  constructor(preferences) {
    super();
    this.#preferences = preferences;
  }

  /** @param {Command} command */
  add(command) {
    if (this.#commands.has(command.id)) throw new Error(`There are two commands with the id ${command.id}`);
    this.#commands.set(command.id, command);
    this.emit("change");
  }

  all() {
    return [...this.#commands.values()];
  }

  /** @param {string} id */
  get(id) {
    return this.#commands.get(id);
  }

  /**
   * Whether a command means anything now.
   * @param {string} id
   */
  can(id) {
    const command = this.#commands.get(id);
    return command !== undefined && (command.scope === "everywhere" || command.scope === this.scope) && (command.when?.() ?? true);
  }

  /**
   * Run a command where it means anything now; says whether it was.
   * @param {string} id
   */
  run(id) {
    if (!this.can(id)) return false;
    void this.#commands.get(id)?.run();
    return true;
  }

  /**
   * The user's keys, else its own; none where single keys are switched off and it has no others.
   * @param {string} id
   */
  keysOf(id) {
    const keys = this.#preferences.get("keys")[id] ?? this.#commands.get(id)?.keys ?? [];
    return this.#preferences.get("singleKeys") ? keys : keys.filter((key) => !isSingle(key));
  }

  /**
   * Give a command other keys; `null` gives it its own again. Keys that another command of the same scope has are taken from that.
   * @param {string} id
   * @param {string[] | null} keys
   */
  remap(id, keys) {
    const {[id]: _, ...changed} = this.#preferences.get("keys");
    if (keys) {
      const taken = new Set(keys.map(normal));
      for (const other of this.all()) {
        if (other.id === id || !this.#canMeet(id, other.id)) continue;
        const theirs = changed[other.id] ?? other.keys;
        if (theirs.some((key) => taken.has(normal(key)))) changed[other.id] = theirs.filter((key) => !taken.has(normal(key)));
      }
      changed[id] = keys;
    }
    this.#preferences.set("keys", changed);
    this.emit("change");
  }

  /** @param {boolean} on Letters and digits without Ctrl or Alt: who speaks to the computer wants them off. */
  useSingleKeys(on) {
    this.#preferences.set("singleKeys", on);
    this.emit("change");
  }

  /**
   * The command that a key means now: by what it types, else, on keyboards of other scripts, by where it lies.
   * @param {Pressed} pressed
   * @returns {Command | null}
   */
  match(pressed) {
    for (const name of namesOf(pressed)) {
      for (const command of this.#commands.values()) {
        if (this.can(command.id) && this.keysOf(command.id).some((key) => normal(key) === name)) return command;
      }
    }
    return null;
  }

  /**
   * @param {string} id
   * @param {string} other
   */
  #canMeet(id, other) {
    const [one, two] = [this.#commands.get(id)?.scope, this.#commands.get(other)?.scope];
    return one === two || one === "everywhere" || two === "everywhere";
  }
}

/**
 * What a pressed key may be called, the best name first.
 * @param {Pressed} pressed
 */
export function namesOf({key, code, ctrlKey, metaKey, shiftKey, altKey}) {
  const before = (ctrlKey || metaKey ? "ctrl+" : "") + (altKey ? "alt+" : "");
  const typed = key === " " ? "space" : key.toLowerCase();
  // Shift is a part of the name only where the key is not already another one by it, such as `?`.
  const isLetter = /^\p{L}$/u.test(key);
  const shift = shiftKey && (isLetter || key.length > 1 || key === " ") ? "shift+" : "";
  const names = [before + shift + typed];
  // AltGr, which many layouts need for brackets, is told as Ctrl+Alt.
  if (ctrlKey && altKey && key.length === 1 && !isLetter) names.push(typed);
  const place = /^Key([A-Z])$/.exec(code)?.[1] ?? /^Digit(\d)$/.exec(code)?.[1] ?? SIGNS[code];
  const isLatin = /^[a-z]$/i.test(key);
  // A Latin letter means itself, wherever it lies; with Alt, Macs type other signs.
  if (place && (!isLatin || altKey)) names.push(before + (shiftKey ? "shift+" : "") + place.toLowerCase());
  return names;
}

/** @param {string} key */
function normal(key) {
  const lower = key.toLowerCase();
  const parts = lower === "+" ? ["+"] : lower.endsWith("++") ? [...lower.slice(0, -2).split("+"), "+"] : lower.split("+");
  const last = parts.pop();
  return ["ctrl", "alt", "shift"].filter((each) => parts.includes(each)).concat(last ?? "").join("+");
}

/** @param {string} key */
const isSingle = (key) => /^(shift\+)?.$/iu.test(key);
