// A list's query as chips: what each filter is called. Filters that the gallery has no control for (those of the statistics, and
// any that somebody wrote into the address) are kept and shown too. Without a DOM.

import {WORDS} from "../state/statuses.js";
import {plural} from "./words.js";

/** @import {ImageStatus} from "../types.js" */

/** @typedef {{label: string, names: string[], without: URLSearchParams}} Chip `without` is the query that the chip's cross leads to */

const RANGES = [
  {
    low: "min_annotations",
    high: "max_annotations",
    words: (/** @type {string | null} */ low, /** @type {string | null} */ high) => countWords(low, high),
  },
  {low: "min_size", high: "below_size", words: (/** @type {string | null} */ low, /** @type {string | null} */ high) => sizeWords(low, high)},
];

/**
 * @param {URLSearchParams} query
 * @param {(id: number) => string} nameOf
 * @returns {Chip[]}
 */
export function chipsOf(query, nameOf) {
  /** @type {Chip[]} */
  const chips = [];
  const done = new Set(["sort"]);
  for (const [name, value] of query) {
    if (done.has(name)) continue;
    const range = RANGES.find(({low, high}) => name === low || name === high);
    if (range) {
      done.add(range.low).add(range.high);
      chips.push(chip(query, range.words(query.get(range.low), query.get(range.high)), [range.low, range.high]));
    } else if (name === "category_id") chips.push({label: nameOf(Number(value)), names: [name], without: withoutValue(query, name, value)});
    else {
      done.add(name);
      chips.push(chip(query, wordsOf(name, value), [name]));
    }
  }
  return chips;
}

/**
 * @param {URLSearchParams} query
 * @param {string} label
 * @param {string[]} names
 */
function chip(query, label, names) {
  const without = new URLSearchParams(query);
  for (const name of names) without.delete(name);
  return {label, names, without};
}

/**
 * @param {URLSearchParams} query
 * @param {string} name
 * @param {string} value
 */
const withoutValue = (query, name, value) => new URLSearchParams([...query].filter(([key, other]) => key !== name || other !== value));

/**
 * @param {string} name
 * @param {string} value
 */
function wordsOf(name, value) {
  if (name === "file_name") return `Name contains “${value}”`;
  if (name === "status") return WORDS[/** @type {ImageStatus} */ (value)]?.title ?? `State: ${value}`;
  if (name === "annotated") return value === "true" ? "Annotated" : "Not annotated";
  return `${name.replaceAll("_", " ")}: ${value}`;
}

/**
 * @param {string | null} low
 * @param {string | null} high
 */
function countWords(low, high) {
  if (low !== null && low === high) return plural(Number(low), "annotation");
  if (low !== null && high !== null) return `${low} to ${high} annotations`;
  return low !== null ? `${low} and more annotations` : `At most ${high} annotations`;
}

/**
 * @param {string | null} low
 * @param {string | null} high
 */
function sizeWords(low, high) {
  if (low !== null && high !== null) return `Shapes of ${low} to ${high} pixels`;
  return low !== null ? `Shapes of ${low} pixels and more` : `Shapes below ${high} pixels`;
}
