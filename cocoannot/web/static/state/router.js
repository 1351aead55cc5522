// The address and what is shown: `#/images?category_id=3`, `#/images/12?category_id=3`, `#/statistics`.

/** @import {Query, Route} from "../types.js" */

/** @type {Set<(route: Route) => void>} */
const listeners = new Set();

/**
 * What an address's part after `#` asks for.
 * @param {string} hash
 * @returns {Route}
 */
export function routeOf(hash) {
  const [path, query] = hash.replace(/^#/, "").split("?");
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

/**
 * With `replace`, the browser's "back" leads to the address before this one.
 * @param {string} address
 */
export function go(address, {replace = false} = {}) {
  if (!replace) location.hash = address;
  else {
    history.replaceState(null, "", address);
    tell();
  }
}

/** @param {(route: Route) => void} listener */
export function onRoute(listener) {
  listeners.add(listener);
}

/** Tell all listeners what the address asks for. */
export function tell() {
  const now = routeOf(location.hash);
  for (const listener of listeners) listener(now);
}

/** From now on, changes of the address are told. */
export function start() {
  window.addEventListener("hashchange", tell);
  tell();
}
