// JSON that keeps the text of numbers. JavaScript writes `426.0` as `426`, and a long number with fewer digits; what nobody
// touched is to go back as it came.
//
// The text is kept beside the array or object that holds the number. A copy of that (`{...record}`, `[...ring]`) has no texts;
// `copyTexts` brings them over.

/** @typedef {string | number} Place An index or a name. */

/** @type {WeakMap<object, Map<string, string>>} */
const texts = new WeakMap();

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
/** Ends with a zero, has an exponent, is nearly zero, or has more digits than all numbers keep. */
const IS_UNUSUAL = /\d\.\d*0(?!\d)|\d[eE]|-0|0\.000000|\d[\d.]{15}/;

/**
 * As JSON.parse; throws SyntaxError.
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  const value = JSON.parse(text);
  if (!IS_UNUSUAL.test(text)) return value;
  let mark = "number ";
  while (text.includes(mark)) mark += Math.random().toString(36).slice(2);
  let found = false;
  const marked = text.replace(TOKENS, (token) => {
    if (token[0] === '"' || String(Number(token)) === token) return token;
    found = true;
    return `"${mark}${token}"`;
  });
  return found ? unmark(JSON.parse(marked), mark) : value;
}

/**
 * @param {any} value
 * @param {string} mark
 * @returns {any}
 */
function unmark(value, mark) {
  if (typeof value === "string") return value.startsWith(mark) ? Number(value.slice(mark.length)) : value;
  if (value === null || typeof value !== "object") return value;
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === "string" && member.startsWith(mark)) keepText(value, name, member.slice(mark.length));
    // Not by assignment, which would take a field of the name `__proto__` for something else.
    if (member !== null && typeof member !== "number") Object.defineProperty(value, name, {value: unmark(member, mark)});
  }
  return value;
}

/**
 * As JSON.stringify, for what JSON can hold; numbers that still have the value that came have the text that came.
 * @param {any} value
 * @returns {string}
 */
export function stringify(value) {
  return write(value, null, "") ?? "null";
}

/**
 * @param {any} value
 * @param {object | null} holder
 * @param {Place} place
 * @returns {string | undefined}
 */
function write(value, holder, place) {
  if (typeof value === "number") return (holder && textAt(holder, place, value)) ?? JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((member, i) => write(member, value, i) ?? "null").join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = [];
  for (const [name, member] of Object.entries(value)) {
    const text = write(member, value, name);
    if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${members.join(",")}}`;
}

/**
 * The text that the number at `place` of `holder` came with, where it is another than JavaScript's and the value is still that.
 * @param {object} holder
 * @param {Place} place
 * @param {number} value
 */
export function textAt(holder, place, value) {
  const text = texts.get(holder)?.get(String(place));
  return text !== undefined && Number(text) === value ? text : undefined;
}

/**
 * @param {object} holder
 * @param {Place} place
 * @param {string} text
 */
export function keepText(holder, place, text) {
  let kept = texts.get(holder);
  if (!kept) texts.set(holder, (kept = new Map()));
  kept.set(String(place), text);
}

/**
 * What `from` has as texts, `to` has too; for copies. Gives `to`.
 * @template {object} T
 * @param {object} from
 * @param {T} to
 */
export function copyTexts(from, to) {
  const kept = texts.get(from);
  if (kept) for (const [place, text] of kept) keepText(to, place, text);
  return to;
}
