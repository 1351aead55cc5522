// The list of images in pages: those near what is in view are kept, others are asked for when they are wanted. Where the server is
// away, they are asked for again, later and later, until it is back.

import {get, isAbort, isForNow} from "../net/api.js";

/** @import {ListedImage, ToldChange} from "../types.js" */

export const PAGE = 100;
const KEPT = 12;
const [SOON, LATE] = [1000, 15_000];
/** After a change of somebody's, before what it is about is asked for again: others may follow (milliseconds). */
const GATHER = 700;

export class GalleryPages {
  query = new URLSearchParams();
  /** @type {number | null} */
  total = null;
  /** @type {unknown} What was the matter with the last call; `null` where it succeeded. */
  fault = null;
  /** @typedef {{abort: AbortController, images: ListedImage[] | null, revision: number, told: number}} Page */
  /** @type {Map<number, Page>} Each of a revision; `told` is the newest that was told of while it was on its way. */
  #pages = new Map();
  /** @type {Map<number, ListedImage[]>} What was there before it was asked for again; shown until it is. */
  #old = new Map();
  #wait = SOON;
  /** @type {number | undefined} */
  #timer;
  /** @type {Set<number>} Pages that are to be asked for again. */
  #changed = new Set();
  /** @type {number | undefined} */
  #gathering;

  /** @param {() => void} onChange after a page came, or could not */
  constructor(onChange) {
    this.onChange = onChange;
  }

  /** @param {URLSearchParams} query */
  open(query) {
    this.query = query;
    [this.total, this.fault] = [null, null];
    this.#drop();
    this.#old.clear();
    void this.#load(0);
  }

  /** Ask for what is shown again; it stays until the answer is there. */
  reload() {
    for (const [number, {images}] of this.#pages) if (images) this.#old.set(number, images);
    this.#drop();
    // Where there is nothing, nobody asks for what is at a position.
    if (!this.total) void this.#load(0);
    this.onChange();
  }

  /** @param {ToldChange} change */
  heard({revision, edits, more}) {
    const isListOther = more || this.#isFiltered() || edits.some(({section, op}) => section === "images" && op !== "update");
    const images = new Set(edits.flatMap((edit) => [edit.image_id, edit.from_image_id ?? null]));
    this.#note(revision);
    for (const [number, page] of this.#pages) {
      if (isListOther || page.images?.some(({id}) => images.has(id))) this.#changed.add(number);
    }
    this.#gather();
  }

  /** Changes are told from `revision` on: those before it were not. @param {number} revision */
  toldFrom(revision) {
    this.#note(revision);
    for (const [number, page] of this.#pages) if (page.images && page.revision < revision) this.#changed.add(number);
    this.#gather();
  }

  /** Pages that are on their way may be from before it. @param {number} revision */
  #note(revision) {
    for (const page of this.#pages.values()) if (!page.images) page.told = Math.max(page.told, revision);
  }

  #gather() {
    if (this.#changed.size) this.#gathering ??= setTimeout(() => this.#askAgain(), GATHER);
  }

  /** Those that are in view come at once, the others when they are. */
  #askAgain() {
    this.#gathering = undefined;
    for (const number of this.#changed) {
      const page = this.#pages.get(number);
      if (page?.images) this.#old.set(number, page.images);
      page?.abort.abort();
      this.#pages.delete(number);
    }
    this.#changed.clear();
    if (!this.total) void this.#load(0);
    this.onChange();
  }

  /** Which images are in the list, and where, depends on more than which there are. */
  #isFiltered() {
    return [...this.query].some(([name, value]) => name !== "sort" || !/^-?(id|position)$/.test(value));
  }

  /**
   * The image at a position of the list; `null` while it is on its way.
   * @param {number} position
   */
  at(position) {
    const number = Math.floor(position / PAGE);
    if (!this.#pages.has(number) && !this.fault) void this.#load(number);
    return (this.#pages.get(number)?.images ?? this.#old.get(number))?.[position % PAGE] ?? null;
  }

  /** @param {number} id */
  positionOf(id) {
    const known = [...this.#old, ...[...this.#pages].map(([number, {images}]) => /** @type {const} */ ([number, images ?? []]))];
    for (const [number, images] of known) {
      const place = images.findIndex((image) => image.id === id);
      if (place >= 0) return number * PAGE + place;
    }
    return null;
  }

  /** Try again at once. */
  retry() {
    clearTimeout(this.#timer);
    this.#wait = SOON;
    this.fault = null;
    if (this.total === null) void this.#load(0);
    this.onChange();
  }

  #drop() {
    clearTimeout(this.#timer);
    for (const {abort} of this.#pages.values()) abort.abort();
    this.#pages.clear();
  }

  /** @param {number} number */
  async #load(number) {
    /** @type {Page} */
    const page = {abort: new AbortController(), images: null, revision: -1, told: -1};
    this.#pages.set(number, page);
    this.#forget(number);
    try {
      const {body, headers, revision} = await get(`api/images?${this.#parameters(number)}`, {signal: page.abort.signal});
      [page.images, page.revision] = [body, revision];
      // The answer is from before a change that was told of meanwhile.
      if (revision < page.told && this.#pages.get(number) === page) this.#changed.add(number);
      this.#gather();
      this.#old.delete(number);
      this.total = JSON.parse(headers.get("X-Pagination") ?? "{}").total ?? body.length;
      [this.fault, this.#wait] = [null, SOON];
    } catch (error) {
      if (isAbort(error)) return;
      if (this.#pages.get(number) === page) this.#pages.delete(number);
      this.fault = error;
      if (isForNow(error)) this.#retryLater();
    }
    this.onChange();
  }

  #retryLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.fault = null;
      if (this.total === null) void this.#load(0);
      this.onChange();
    }, this.#wait);
    this.#wait = Math.min(LATE, 2 * this.#wait);
  }

  /** @param {number} number */
  #parameters(number) {
    const parameters = new URLSearchParams(this.query);
    for (const [name, value] of [
      ["page", String(number + 1)],
      ["page_size", String(PAGE)],
      ["with", "annotation_count"],
      ["with", "annotations"],
    ])
      parameters.append(name, value);
    return parameters;
  }

  /** @param {number} near */
  #forget(near) {
    for (const pages of [this.#pages, this.#old]) {
      const far = [...pages.keys()].sort((one, other) => Math.abs(other - near) - Math.abs(one - near));
      for (const number of far.slice(0, Math.max(0, far.length - KEPT))) {
        this.#pages.get(number)?.abort.abort();
        pages.delete(number);
      }
    }
  }
}
