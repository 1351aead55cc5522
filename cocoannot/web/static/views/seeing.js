// How picture and shapes are shown: light, labels, fill, colours. All of it stays from image to image, and none of it is in the file.

import {el, iconButton} from "./dom.js";

/** @import {Commands, Preferences, Session} from "../types.js" */
/** @typedef {"brightness" | "contrast" | "gamma" | "fillOpacity"} Slider */

/** @type {[name: Slider, title: string, least: number, most: number][]} */
const SLIDERS = [
  ["brightness", "Brightness", 0.2, 3],
  ["contrast", "Contrast", 0.2, 3],
  ["gamma", "Gamma", 0.2, 3],
  ["fillOpacity", "Fill", 0, 1],
];
const LIGHT = /** @type {const} */ (["brightness", "contrast", "gamma"]);

/**
 * A button, and what it opens.
 * @param {{session: Session, preferences: Preferences, commands: Commands}} parts
 */
export function makeSeeing({session, preferences}) {
  const panel = el("div", {class: "popover seeing", popover: "auto", role: "dialog", "aria-label": "How it is shown", id: "seeing"});
  const button = iconButton("seeing", "Brightness, labels, colours", () => {}, {
    "aria-haspopup": "dialog",
    popovertarget: "seeing",
    id: "seeing-button",
  });
  const sliders = SLIDERS.map((each) => slider(preferences, ...each));
  const reset = el("button", {type: "button", class: "quiet", onclick: () => LIGHT.forEach((name) => preferences.reset(name))}, "Reset the light");
  const labels = tick(
    "Names beside shapes",
    () => preferences.get("showLabels"),
    (on) => preferences.set("showLabels", on),
  );
  const instances = tick(
    "A colour for each annotation",
    () => preferences.get("colourBy") === "instance",
    (on) => preferences.set("colourBy", on ? "instance" : "category"),
  );
  const crosshair = tick(
    "Lines through the pointer for boxes",
    () => preferences.get("crosshair"),
    (on) => preferences.set("crosshair", on),
  );
  const only = tick(
    "Only what is selected",
    () => session.visibility.onlySelected,
    (on) => on !== session.visibility.onlySelected && session.visibility.toggleOnlySelected(),
  );
  const ticks = [labels, instances, crosshair, only];
  const show = () => {
    for (const each of [...sliders, ...ticks]) each.show();
    button.classList.toggle(
      "on",
      LIGHT.some((name) => preferences.get(name) !== 1),
    );
  };
  panel.append(...sliders.map(({element}) => element), reset, el("hr"), ...ticks.map(({element}) => element));
  preferences.on("change", show);
  session.on("visibility", show);
  panel.addEventListener("beforetoggle", (event) => /** @type {ToggleEvent} */ (event).newState === "open" && place(panel, button));
  // Esc closes it, and nothing else.
  panel.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
  show();
  return {button, panel};
}

/**
 * @param {Preferences} preferences
 * @param {Slider} name
 * @param {string} title
 * @param {number} least
 * @param {number} most
 */
function slider(preferences, name, title, least, most) {
  const input = el("input", {
    type: "range",
    min: String(least),
    max: String(most),
    step: "0.05",
    oninput: () => preferences.set(name, Number(input.value)),
    ondblclick: () => preferences.reset(name),
  });
  const output = el("output");
  return {
    element: el("label", {class: "slider"}, el("span", {}, title), input, output),
    show: () => {
      input.value = String(preferences.get(name));
      output.textContent = `${Math.round(100 * preferences.get(name))} %`;
    },
  };
}

/**
 * @param {string} title
 * @param {() => boolean} get
 * @param {(on: boolean) => unknown} set
 */
function tick(title, get, set) {
  const input = el("input", {type: "checkbox", onchange: () => set(input.checked)});
  return {element: el("label", {class: "tick"}, input, el("span", {}, title)), show: () => (input.checked = get())};
}

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} button
 */
function place(panel, button) {
  const {bottom, right} = button.getBoundingClientRect();
  panel.style.top = `${bottom + 6}px`;
  panel.style.right = `${Math.max(8, document.documentElement.clientWidth - right - 60)}px`;
}
