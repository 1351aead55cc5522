// Keys as people know them; without a DOM.

/** @type {Record<string, string>} */
const NAMES = {
  arrowleft: "←",
  arrowright: "→",
  arrowup: "↑",
  arrowdown: "↓",
  escape: "Esc",
  delete: "Delete",
  backspace: "Backspace",
  enter: "Enter",
  space: "Space",
  tab: "Tab",
  pageup: "PageUp",
  pagedown: "PageDown",
  home: "Home",
  end: "End",
};

/**
 * `ctrl+shift+z` as `Ctrl+Shift+Z`, `arrowleft` as `←`.
 * @param {string} key
 */
export function nameOfKey(key) {
  if (key.length === 1) return key.toUpperCase();
  const plus = key.endsWith("++");
  const parts = (plus ? key.slice(0, -2) : key).split("+");
  if (plus) parts.push("+");
  return parts
    .map((part) => NAMES[part.toLowerCase()] ?? (part.length === 1 ? part.toUpperCase() : part.charAt(0).toUpperCase() + part.slice(1)))
    .join("+");
}
