// What is wrong with a list of numbers from a file, in words.

/** Far beyond any picture; the server takes less. */
const LIMIT = 1e9;

/**
 * What a value is, for "the box is ...".
 * @param {unknown} value
 */
export function nameOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "a number";
  return String(value);
}

/**
 * Why `values` is no list of numbers; `null` where it is one. `what` is its name, such as "the box".
 * @param {unknown} values
 * @param {string} what
 */
export function fault(values, what) {
  if (!Array.isArray(values)) return `${what} is ${nameOf(values)}, not a list of numbers`;
  // `findIndex` looks at holes of a list too.
  const wrong = values.findIndex((value) => typeof value !== "number" || !Number.isFinite(value) || Math.abs(value) > LIMIT);
  if (wrong < 0) return null;
  const value = values[wrong];
  if (typeof value !== "number") return `${what} has ${nameOf(value)} where a number should be`;
  return Number.isFinite(value) ? `${what} has a number that is far too large` : `${what} has a number that is not finite (${value})`;
}
