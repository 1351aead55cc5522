// Which image comes before and after another in the gallery's order: pages of the list, kept for a while.

import {get} from "./api.js";

/** @import {Query} from "./types.js" */

const PAGE = 500;
/** @type {string | null} */
let key = null;
/** @type {Map<number, Promise<number[]>>} */
let pages = new Map();
/** @type {number | null} */
let total = null;
/** @type {Map<number, number>} */
let positions = new Map();

/**
 * The id of the image `step` (1 or -1) after `id` among those that `query` selects; `null` at an end.
 * @param {number} id
 * @param {Query} query
 * @param {number} step
 */
export async function neighbours(id, query, step) {
  const text = new URLSearchParams(query ?? "").toString();
  if (text !== key) [key, pages, total, positions] = [text, new Map(), null, new Map()];
  const at = positions.get(id) ?? (await find(id));
  if (at === null) return null;
  const wanted = at + step;
  if (wanted < 0) return null;
  if (total !== null && wanted >= total) return null;
  const page = await load(Math.floor(wanted / PAGE));
  return page[wanted % PAGE] ?? null;
}

/**
 * Tell where an image is, and how many there are, by who has seen it there.
 * @param {Query} query
 * @param {number} id
 * @param {number} position
 * @param {number} count
 */
export function seen(query, id, position, count) {
  const text = new URLSearchParams(query ?? "").toString();
  if (text !== key) [key, pages, total, positions] = [text, new Map(), null, new Map()];
  positions.set(id, position);
  total = count;
}

/** @param {number} id */
async function find(id) {
  for (let number = 0; number === 0 || number * PAGE < (total ?? 0); number++) {
    await load(number);
    const position = positions.get(id);
    if (position !== undefined) return position;
  }
  return null;
}

/** @param {number} number */
async function load(number) {
  const page = pages.get(number) ?? fetchPage(number);
  pages.set(number, page);
  return page;
}

/** @param {number} number */
async function fetchPage(number) {
  const [asked, parameters] = [key, new URLSearchParams(key ?? "")];
  parameters.set("page", String(number + 1));
  parameters.set("page_size", String(PAGE));
  try {
    const {body, headers} = await get(`api/images?${parameters}`);
    if (asked !== key) return [];
    total = JSON.parse(headers.get("X-Pagination") ?? "{}").total ?? body.length;
    body.forEach((image, i) => positions.set(image.id, number * PAGE + i));
    return body.map((image) => image.id);
  } catch (error) {
    pages.delete(number);
    throw error;
  }
}
