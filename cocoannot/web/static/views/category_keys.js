// The keys 1 to 9 of categories, as the user has pinned them.

import {openDialog} from "./dialogs.js";
import {el} from "./dom.js";

/** @import {Categories} from "../types.js" */

export const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/**
 * Let the user pin a category to a key.
 * @param {Categories} categories
 * @param {number} id
 */
export async function pinCategory(categories, id) {
  const name = categories.nameOf(id);
  const has = categories.keyOf(id);
  const number = await openDialog(`A key for ${name}`, {
    className: "pin",
    closeButton: true,
    makeContent: (/** @type {(value: number | null) => void} */ close) => [
      el("p", {class: "dim"}, "Which key shall choose it? It is kept in this browser."),
      el(
        "div",
        {class: "pins"},
        ...NUMBERS.map((each) =>
          el(
            "button",
            {type: "button", class: "quiet", autofocus: each === has, onclick: () => close(each)},
            el("kbd", {}, String(each)),
            el("span", {class: "text"}, describe(categories, each)),
          ),
        ),
      ),
    ],
  });
  if (number !== null) categories.pin(number, id);
}

/**
 * @param {Categories} categories
 * @param {number} number
 */
function describe(categories, number) {
  const id = categories.ofKey(number);
  return id === null ? "free" : categories.nameOf(id);
}
