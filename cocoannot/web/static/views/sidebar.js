// The lists beside the picture, with their dividers; folded away where somebody wants the whole window for the picture, or where
// there is little of it.

import {el} from "./dom.js";
import {splitter} from "./splitter.js";

/** @import {Preferences} from "../types.js" */

const WIDTH = {least: 220, most: 620};
const HALF = {least: 0.15, most: 0.85};
const narrow = matchMedia("(max-width: 760px), (max-height: 480px)");

export class Sidebar {
  /** In a narrow window it lies over the picture, and only while it is wanted. */
  #opened = false;

  /**
   * @param {{preferences: Preferences, top: HTMLElement, upper: HTMLElement, lower: HTMLElement, onToggle: (shown: boolean) => void}} parts
   */
  constructor({preferences, top, upper, lower, onToggle}) {
    this.preferences = preferences;
    this.onToggle = onToggle;
    this.upper = upper;
    this.lower = lower;
    this.lists = el("div", {class: "lists"});
    this.middle = splitter({
      label: "Between annotations and categories",
      across: true,
      step: 0.05,
      least: HALF.least,
      most: () => HALF.most,
      get: () => preferences.get("sidebarDivider"),
      set: (share) => preferences.set("sidebarDivider", share),
      fromEvent: ({clientY}) => (clientY - this.lists.getBoundingClientRect().top) / this.lists.clientHeight,
    });
    this.tabs = [
      ["Annotations", upper],
      ["Categories", lower],
    ].map(([title, panel]) =>
      el("button", {type: "button", class: "quiet", onclick: () => this.#choose(/** @type {HTMLElement} */ (panel))}, String(title)),
    );
    this.lists.append(el("div", {class: "list-tabs", role: "group", "aria-label": "Which list is shown"}, ...this.tabs), upper, this.middle, lower);
    this.#choose(upper);
    this.element = el("aside", {class: "sidebar", "aria-label": "Annotations and categories"}, top, this.lists);
    this.divider = splitter({
      label: "Width of the lists",
      least: WIDTH.least,
      most: () => Math.min(WIDTH.most, window.innerWidth * 0.6),
      get: () => preferences.get("sidebarWidth"),
      set: (width) => preferences.set("sidebarWidth", Math.round(width)),
      fromEvent: ({clientX}) => document.documentElement.clientWidth - clientX,
    });
    narrow.addEventListener("change", () => this.#show());
    preferences.on("change", (name) => name.startsWith("sidebar") && this.#show());
    this.#show();
  }

  get shown() {
    return narrow.matches ? this.#opened : !this.preferences.get("sidebarCollapsed");
  }

  toggle() {
    this.setShown(!this.shown);
  }

  /** @param {boolean} shown */
  setShown(shown) {
    if (narrow.matches) this.#opened = shown;
    else this.preferences.set("sidebarCollapsed", !shown);
    this.#show();
  }

  /** Where there is room for one list only, it is this one. @param {HTMLElement} panel */
  #choose(panel) {
    [this.upper, this.lower].forEach((each, i) => {
      each.classList.toggle("other", each !== panel);
      this.tabs[i].setAttribute("aria-pressed", String(each === panel));
    });
  }

  #show() {
    const {shown, preferences} = this;
    const hadFocus = this.element.contains(document.activeElement);
    this.element.hidden = this.divider.hidden = !shown;
    this.element.style.width = `${Math.max(WIDTH.least, preferences.get("sidebarWidth"))}px`;
    const share = preferences.get("sidebarDivider");
    this.upper.style.flexGrow = String(share);
    this.lower.style.flexGrow = String(1 - share);
    this.onToggle(shown);
    if (!shown && hadFocus)
      document
        .getElementById("editor")
        ?.querySelector(/** @type {"div"} */ (".canvas"))
        ?.focus();
  }
}
