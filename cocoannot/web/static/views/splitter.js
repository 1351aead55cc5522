// A divider between two parts of the page, dragged or moved with the arrow keys; who keeps the size is told.

import {el} from "./dom.js";

const STEP = 16;

/**
 * @param {{label: string, across?: boolean, get: () => number, set: (value: number) => void, least: number, most: () => number, fromEvent: (event: PointerEvent) => number, step?: number}} options
 *   `across`: it lies between an upper and a lower part; values are in what `get` counts in
 */
export function splitter({label, across = false, get, set, least, most, fromEvent, step = STEP}) {
  const element = el("div", {
    class: across ? "divider across" : "divider",
    role: "separator",
    tabindex: "0",
    "aria-label": label,
    "aria-orientation": across ? "horizontal" : "vertical",
    "aria-valuemin": "0",
    "aria-valuemax": "100",
  });
  const tell = () => element.setAttribute("aria-valuenow", String(Math.round((100 * (get() - least)) / Math.max(1e-9, most() - least))));
  /** @param {number} value */
  const move = (value) => {
    set(Math.min(most(), Math.max(least, value)));
    tell();
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    element.classList.add("dragged");
    event.preventDefault();
  });
  element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && move(fromEvent(event)));
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) element.addEventListener(name, () => element.classList.remove("dragged"));
  element.addEventListener("keydown", (event) => {
    // A vertical divider's part is on its right: to the left, it grows.
    const sign = {ArrowLeft: across ? 0 : 1, ArrowRight: across ? 0 : -1, ArrowUp: across ? -1 : 0, ArrowDown: across ? 1 : 0}[event.key];
    if (!sign) return;
    event.preventDefault();
    event.stopPropagation();
    move(get() + sign * step);
  });
  tell();
  return element;
}
