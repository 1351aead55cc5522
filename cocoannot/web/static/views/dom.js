// Making elements. Text from the dataset goes in as text, never as HTML; what elements mean is the views' business.

import {icon} from "./icons.js";

/** @typedef {Node | string | null | undefined | false} Child */
/** @typedef {Record<string, any>} Properties */

/**
 * An element with properties (`class`, `onclick`, `title`, ...) and children, texts or elements; `null` ones are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = String(value);
    else if (name in element && typeof value !== "string") Object.assign(element, {[name]: value});
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false)));
  return element;
}

/**
 * A button with a picture and no words: they are in its tooltip, and for screen readers.
 * @param {string} name of the icon
 * @param {string} label
 * @param {(event: MouseEvent) => unknown} run
 * @param {Properties} [properties]
 */
export function iconButton(name, label, run, properties = {}) {
  const {class: more = "", ...others} = properties;
  return el("button", {type: "button", class: `icon-button ${more}`.trim(), title: label, "aria-label": label, onclick: run, ...others}, icon(name));
}

/**
 * Set a property only where it is another one: writing the same text again makes work for browsers and screen readers.
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value `null` takes the attribute away
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/**
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * An element that the document has from the start.
 * @param {string} id
 */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * A square of a colour, beside the name that it stands for.
 * @param {string} colour
 */
export function swatch(colour) {
  const square = el("span", {class: "swatch", "aria-hidden": "true"});
  square.style.backgroundColor = colour;
  return square;
}

/**
 * Calls `run()` once for all calls of the given function before the next picture of the screen.
 * @param {() => void} run
 */
export function oncePerFrame(run) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      run();
    });
  };
}
