// Which annotations the list shows, and in which order; without a DOM.

import {folded} from "./words.js";

/** @import {Entry} from "../types.js" */
/** @typedef {"file" | "category" | "size" | "position"} Sort */

/** @type {[sort: Sort, title: string][]} */
export const SORTS = [
  ["file", "File order"],
  ["category", "Category"],
  ["size", "Size"],
  ["position", "Position"],
];

/**
 * What a row is called: the category, or the caption.
 * @param {Entry} entry
 * @param {(id: number | null | undefined) => string} nameOf
 */
export function titleOf({annotation}, nameOf) {
  const {caption} = annotation;
  return typeof caption === "string" && caption !== "" ? caption : nameOf(annotation.category_id);
}

/**
 * Those entries whose name or caption contains `text`, or whose id it is, in the order wanted.
 * @param {Iterable<Entry>} entries in the file's order
 * @param {{text: string, sort: Sort, nameOf: (id: number | null | undefined) => string, boundsOf: (entry: Entry) => number[] | null}} options
 *   `boundsOf` gives left, top, right and bottom in pixels
 */
export function arranged(entries, {text, sort, nameOf, boundsOf}) {
  const wanted = folded(text.trim());
  const chosen = wanted === "" ? [...entries] : [...entries].filter((entry) => isMeant(entry, wanted, nameOf));
  if (sort === "file") return chosen;
  if (sort === "category") return sorted(chosen, (entry) => folded(nameOf(entry.annotation.category_id)));
  if (sort === "size") return sorted(chosen, (entry) => -areaOf(boundsOf(entry)));
  return sorted(chosen, (entry) => readingPlace(boundsOf(entry)));
}

/**
 * @param {Entry} entry
 * @param {string} wanted
 * @param {(id: number | null | undefined) => string} nameOf
 */
function isMeant(entry, wanted, nameOf) {
  return folded(titleOf(entry, nameOf)).includes(wanted) || wanted.replace(/^#/, "") === String(entry.id);
}

/**
 * Equal ones keep the file's order.
 * @param {Entry[]} entries
 * @param {(entry: Entry) => number | string} rank
 */
function sorted(entries, rank) {
  const ranked = entries.map((entry) => ({entry, rank: rank(entry)}));
  return ranked.sort((one, other) => (one.rank < other.rank ? -1 : one.rank > other.rank ? 1 : 0)).map(({entry}) => entry);
}

/** @param {number[] | null} bounds */
const areaOf = (bounds) => (bounds ? (bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) : -1);

/**
 * As one reads: from the top in bands of 50 pixels, in each from the left. What has no place comes last.
 * @param {number[] | null} bounds
 */
const readingPlace = (bounds) => (bounds ? Math.floor(bounds[1] / 50) * 1e6 + bounds[0] : Infinity);
