// What the category palette offers for what was typed, the best first; without a DOM.

import {folded} from "./words.js";

/** @import {Category} from "../types.js" */

/** @type {WeakMap<Category, {name: string, group: string}>} Names are folded once: there may be thousands, at each letter typed. */
const known = new WeakMap();

/** @param {Category} category */
function foldedNames(category) {
  let names = known.get(category);
  if (!names) {
    const group = category.supercategory;
    names = {name: folded(String(category.name ?? "")), group: group && group !== "none" ? folded(String(group)) : ""};
    known.set(category, names);
  }
  return names;
}

/**
 * Names that begin with the text come first, then words that do, then names that contain it, then supercategories. Among equals,
 * recently used ones are first, then the file's order. Several words must all be found.
 * @param {Iterable<Category>} categories
 * @param {string} text
 * @param {readonly number[]} recent ids, the last used first
 */
export function ranked(categories, text, recent) {
  const words = folded(text).split(/\s+/).filter(Boolean);
  const whole = words.join(" ");
  const places = new Map(recent.map((id, i) => [id, i]));
  const found = [];
  for (const category of categories) {
    const rank = rankOf(category, words, whole);
    if (rank !== null) found.push({category, rank, place: places.get(category.id) ?? recent.length});
  }
  return found.sort((one, other) => one.rank - other.rank || one.place - other.place).map(({category}) => category);
}

/**
 * @param {Category} category
 * @param {string[]} words
 * @param {string} whole
 */
function rankOf(category, words, whole) {
  if (!words.length) return 0;
  const {name, group} = foldedNames(category);
  if (!words.every((word) => name.includes(word) || group.includes(word))) return null;
  if (name === whole) return 0;
  if (name.startsWith(whole)) return 1;
  if (name.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(words[0]))) return 2;
  return words.every((word) => name.includes(word)) ? 3 : 4;
}
