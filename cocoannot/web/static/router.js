// The address and what is shown: `#/images?category_id=3`, `#/images/12?category_id=3`, `#/statistics`.

/** @import {Query, Route} from "./types.js" */

/** @type {Set<(route: Route) => void>} */
const listeners = new Set();

/**
 * What the address asks for.
 * @returns {Route}
 */
function route() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  const image = /^\/images\/(-?\d+)$/.exec(path);
  const parameters = new URLSearchParams(query ?? "");
  if (image) return {view: "image", id: Number(image[1]), query: parameters};
  return {view: path === "/statistics" ? "statistics" : "images", id: null, query: parameters};
}

/** @param {Query} query */
export const imagesAddress = (query) => address("#/images", query);
/**
 * @param {number} id
 * @param {Query} query
 */
export const imageAddress = (id, query) => address(`#/images/${id}`, query);

/**
 * @param {string} path
 * @param {Query} query
 */
function address(path, query) {
  const text = new URLSearchParams(query ?? "").toString();
  return text ? `${path}?${text}` : path;
}

/** @param {string} address */
export function go(address, {replace = false} = {}) {
  if (replace) history.replaceState(null, "", address);
  else location.hash = address;
  if (replace) tell();
}

/** @param {(route: Route) => void} listener */
export function onRoute(listener) {
  listeners.add(listener);
}

export function tell() {
  const now = route();
  for (const listener of listeners) listener(now);
}

window.addEventListener("hashchange", tell);
