// Numbers and names as people read them; without a DOM.

/**
 * `1 change`, `2 changes`, `2 categories`.
 * @param {number} number
 * @param {string} noun
 */
export const plural = (number, noun) =>
  `${number.toLocaleString("en")} ${number === 1 ? noun : noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;

/**
 * What a name of the dataset is to be read as; names can be anything, numbers and `null` too.
 * @param {unknown} name
 * @param {string} otherwise
 */
export const nameOr = (name, otherwise) => (name === null || name === undefined || name === "" ? otherwise : String(name));

/**
 * A number of pixels in as few digits as tell it: 12, 12.5, 0.333.
 * @param {number} number
 */
export const short = (number) => String(Number(number.toFixed(Math.abs(number) < 1 ? 3 : Math.abs(number) < 100 ? 2 : 1)));

/**
 * @param {number} ratio
 */
export const percent = (ratio) => `${ratio < 0.1 ? (100 * ratio).toFixed(1).replace(/\.0$/, "") : Math.round(100 * ratio)} %`;

/**
 * Text for comparing what was typed with names: without case and accents.
 * @param {string} text
 */
export const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** `4 July 2026`. @param {string} time as ISO 8601 has it */
export const dateOf = (time) => new Date(time).toLocaleDateString("en-GB", {day: "numeric", month: "long", year: "numeric"});

/**
 * When something happened, in milliseconds since 1970: `just now`, `12 minutes ago`, else the time or the date.
 * @param {number} at
 * @param {number} now
 */
export function ago(at, now) {
  const minutes = (now - at) / 60_000;
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${plural(Math.floor(minutes), "minute")} ago`;
  const date = new Date(at);
  return minutes < 20 * 60 ? `at ${date.toTimeString().slice(0, 5)}` : `on ${date.toLocaleDateString("en", {day: "numeric", month: "long"})}`;
}
