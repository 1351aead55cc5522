// Numbers and times in words.

/**
 * `1 change`, `2 changes`.
 * @param {number} number
 * @param {string} noun
 */
export const plural = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
