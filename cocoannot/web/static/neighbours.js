// Which image comes before and after another in the gallery's order: pages of the list, kept for a while.

import {get} from "./api.js";

const PAGE = 500;
let key = null;
let pages = new Map();
let total = null;
let positions = new Map();

/** The id of the image `step` (1 or -1) after `id` among those that `query` selects; `null` at an end. */
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

/** Tell where an image is, and how many there are, by who has seen it there. */
export function seen(query, id, position, count) {
  const text = new URLSearchParams(query ?? "").toString();
  if (text !== key) [key, pages, total, positions] = [text, new Map(), null, new Map()];
  positions.set(id, position);
  total = count;
}

async function find(id) {
  for (let number = 0; number === 0 || number * PAGE < total; number++) {
    await load(number);
    if (positions.has(id)) return positions.get(id);
  }
  return null;
}

async function load(number) {
  if (!pages.has(number)) pages.set(number, fetchPage(number));
  return pages.get(number);
}

async function fetchPage(number) {
  const [asked, parameters] = [key, new URLSearchParams(key)];
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
