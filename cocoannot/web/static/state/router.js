// The address and what is shown: `#/images?category_id=3`, `#/images/12?category_id=3`, `#/statistics`.

/** @import {Query, Route} from "../types.js" */

/** @type {Set<(route: Route) => void>} */
const listeners = new Set();
/** Where the address stands in the browser's history, and where that of what is shown does; counted within the page. */
let [at, shown] = [0, 0];

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
    history.replaceState({place: at}, "", address);
    tell();
  }
}

/**
 * Go to another address; it is told to all listeners when this is over.
 * @param {string} address
 */
export async function arrived(address) {
  const told = new Promise((resolve) => window.addEventListener("hashchange", resolve, {once: true}));
  go(address);
  await told;
}

/** @param {(route: Route) => void} listener */
export function onRoute(listener) {
  listeners.add(listener);
}

/** What the address asks for now. */
export const current = () => routeOf(location.hash);

/** What the address asks for is shown. */
export function arrive() {
  shown = at;
}

/** Back to the address of what is shown, which the user does not want to leave: "back" and "forward" are as they were before. */
export function comeBack() {
  if (shown !== at) history.go(shown - at);
}

/** Tell all listeners what the address asks for. */
export function tell() {
  for (const listener of listeners) listener(current());
}

/** From now on, changes of the address are told. */
export function start() {
  at = shown = placeOf(history.state) ?? 0;
  history.replaceState({place: at}, "");
  window.addEventListener("popstate", follow);
  window.addEventListener("hashchange", () => {
    follow();
    tell();
  });
  tell();
}

/** A new entry of the history comes after the one before, and has no place yet. */
function follow() {
  const place = placeOf(history.state);
  if (place === null) history.replaceState({place: at + 1}, "");
  at = place ?? at + 1;
}

/** @param {unknown} state */
const placeOf = (state) => (typeof state === "object" && state !== null && "place" in state ? Number(state.place) : null);
