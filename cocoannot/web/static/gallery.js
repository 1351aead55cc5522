// All images as a grid: only what is in view is there, whatever their number.

import {ApiError, Offline, get, isAbort, messageOf} from "./api.js";
import * as categories from "./categories.js";
import {colour} from "./colours.js";
import {el, plural} from "./dom.js";
import {seen} from "./neighbours.js";
import {go, imageAddress, imagesAddress} from "./router.js";
import {bounds, hasPolygons, points} from "./shapes.js";

/** @import {ListedImage} from "./types.js" */

/**
 * A page of the list, with no images while it is on its way.
 * @typedef {{abort: AbortController, images: ListedImage[] | null}} Page
 */

const PAGE = 100;
const KEPT_PAGES = 12;
const TILE = {width: 210, height: 196};
const THUMBNAIL = 256;
const SORTS = [["", "File order"], ["id", "Id"], ["file_name", "File name"], ["-annotation_count", "Most annotations"], ["annotation_count", "Fewest annotations"]];

export class Gallery {
  query = new URLSearchParams();
  /** @type {Map<number, Page>} */
  pages = new Map();
  /** @type {Map<number, HTMLElement>} The tiles that are there, by position. */
  tiles = new Map();
  /** @type {number | null} */
  total = null;
  columns = 0;
  /** @type {number | undefined} */
  timer;

  fileName = el("input", {type: "search", placeholder: "File name", "aria-label": "File name contains", oninput: () => this.#filterSoon()});
  category = el("select", {"aria-label": "Category", onchange: () => this.#filter()});
  annotated = el("select", {"aria-label": "Annotated", onchange: () => this.#filter()},
    ...[["", "Annotated or not"], ["true", "Annotated"], ["false", "Not annotated"]].map(([value, text]) => el("option", {value}, text)));
  sort = el("select", {"aria-label": "Sort by", onchange: () => this.#filter()}, ...SORTS.map(([value, text]) => el("option", {value}, text)));
  count = el("span", {class: "found", role: "status"});
  grid = el("div", {class: "grid", role: "list"});
  scroller = el("div", {class: "scroller", tabindex: "0", "aria-label": "Images, scrolling"}, this.grid);

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    const bar = el("form", {class: "bar", onsubmit: (event) => event.preventDefault()}, this.fileName, this.category, this.annotated, this.sort, this.count);
    element.replaceChildren(bar, this.scroller);
    categories.onCategories(() => this.#showCategories());
    new ResizeObserver(() => this.#layout()).observe(this.scroller);
    this.scroller.addEventListener("scroll", () => requestAnimationFrame(() => this.#render()));
  }

  /**
   * Show the images that `query` selects; where they were shown before, where one was.
   * @param {URLSearchParams} query
   */
  open(query) {
    const text = query.toString();
    document.title = "cocoannot";
    if (text === this.query.toString() && this.total !== null) {
      this.reload({keep: true});
      return;
    }
    this.query = query;
    this.#showFilters();
    this.scroller.scrollTop = 0;
    this.reload();
  }

  /** Ask again for what is shown. */
  reload({keep = false} = {}) {
    for (const page of this.pages.values()) page.abort.abort();
    this.pages.clear();
    if (!keep) this.total = null;
    this.#clear();
    void this.#load(0);
    if (keep) this.#render();
  }

  #showCategories() {
    const options = [...categories.all().values()].map(({id, name}) => el("option", {value: String(id)}, String(name)));
    this.category.replaceChildren(el("option", {value: ""}, "All categories"), ...options);
    this.#showFilters();
  }

  #showFilters() {
    this.fileName.value = this.query.get("file_name") ?? "";
    this.category.value = this.query.get("category_id") ?? "";
    this.annotated.value = this.query.get("annotated") ?? "";
    this.sort.value = this.query.get("sort") ?? "";
  }

  #filterSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#filter(), 250);
  }

  #filter() {
    const chosen = {file_name: this.fileName.value, category_id: this.category.value, annotated: this.annotated.value, sort: this.sort.value};
    go(imagesAddress(Object.fromEntries(Object.entries(chosen).filter(([, value]) => value))), {replace: true});
  }

  /** @param {number} number */
  async #load(number) {
    if (this.pages.has(number)) return;
    /** @type {Page} */
    const page = {abort: new AbortController(), images: null};
    this.pages.set(number, page);
    this.#dropFarPages(number);
    const parameters = new URLSearchParams(this.query);
    for (const [name, value] of [["page", String(number + 1)], ["page_size", String(PAGE)], ["with", "annotation_count"], ["with", "annotations"]]) parameters.append(name, value);
    try {
      const {body, headers} = await get(`api/images?${parameters}`, {signal: page.abort.signal});
      page.images = body;
      /** @type {number} */
      const total = JSON.parse(headers.get("X-Pagination") ?? "{}").total ?? body.length;
      this.total = total;
      body.forEach((image, i) => seen(this.query, image.id, number * PAGE + i, total));
      this.count.textContent = plural(total, "image");
    } catch (error) {
      if (this.pages.get(number) === page) this.pages.delete(number);
      if (isAbort(error)) return;
      this.count.textContent = messageOf(error);
      if (error instanceof Offline) setTimeout(() => this.#render(), 2000);
      else if (!(error instanceof ApiError)) throw error;
      return;
    }
    this.#layout();
  }

  /** @param {number} near */
  #dropFarPages(near) {
    const far = [...this.pages.keys()].sort((one, other) => Math.abs(other - near) - Math.abs(one - near));
    for (const number of far.slice(0, Math.max(0, far.length - KEPT_PAGES))) {
      this.pages.get(number)?.abort.abort();
      this.pages.delete(number);
    }
  }

  #layout() {
    this.columns = Math.max(1, Math.floor((this.scroller.clientWidth - 12) / TILE.width));
    this.grid.style.height = `${Math.ceil((this.total ?? 0) / this.columns) * TILE.height}px`;
    this.#clear();
    this.#render();
  }

  #clear() {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
  }

  /** Put the tiles in view there, take the others away, ask for the pages that are missing. */
  #render() {
    if (!this.total || this.element.hidden || !this.columns) return;
    const {scrollTop, clientHeight} = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / TILE.height) - 1) * this.columns;
    const last = Math.min(this.total, (Math.ceil((scrollTop + clientHeight) / TILE.height) + 1) * this.columns);
    for (const [position, tile] of this.tiles) {
      if (position < first || position >= last) {
        tile.remove();
        this.tiles.delete(position);
      }
    }
    for (let position = first; position < last; position++) {
      const page = this.pages.get(Math.floor(position / PAGE));
      if (!page) void this.#load(Math.floor(position / PAGE));
      const image = page?.images?.[position % PAGE];
      if (image && !this.tiles.has(position)) this.#place(position, this.#tile(image));
    }
  }

  /**
   * @param {number} position
   * @param {HTMLElement} tile
   */
  #place(position, tile) {
    tile.style.transform = `translate(${(position % this.columns) * TILE.width}px, ${Math.floor(position / this.columns) * TILE.height}px)`;
    this.tiles.set(position, tile);
    // In the order of the images, whatever the order of scrolling: for the keyboard and for screen readers.
    const next = [...this.tiles.keys()].filter((other) => other > position).sort((one, other) => one - other)[0];
    this.grid.insertBefore(tile, this.tiles.get(next) ?? null);
  }

  /** @param {ListedImage} image */
  #tile(image) {
    const name = String(image.file_name ?? image.id);
    const picture = el("img", {src: `api/images/${image.id}/thumbnail?size=${THUMBNAIL}`, alt: "", loading: "lazy", decoding: "async", draggable: false, onerror: (event) => event.target.replaceWith(el("span", {class: "missing"}, "no picture"))});
    const over = el("canvas", {class: "over", "aria-hidden": "true"});
    draw(over, image);
    return el("a", {class: "tile", role: "listitem", href: imageAddress(image.id, this.query), title: name, "aria-label": `${name}, ${plural(image._annotation_count, "annotation")}`},
      el("span", {class: "frame"}, picture, over), el("span", {class: "caption"}, el("span", {class: "text"}, name), el("span", {class: "badge"}, String(image._annotation_count))));
  }
}

/**
 * The shapes of an image's annotations, at the size of its thumbnail.
 * @param {HTMLCanvasElement} canvas
 * @param {ListedImage} image
 */
function draw(canvas, image) {
  if (!(image.width > 0 && image.height > 0)) return;
  const scale = Math.min(1, 198 / image.width, 150 / image.height);
  [canvas.width, canvas.height] = [Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale))];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(scale, scale);
  context.lineWidth = 1.5 / scale;
  for (const annotation of image._annotations ?? []) {
    context.strokeStyle = colour(annotation.category_id);
    context.fillStyle = colour(annotation.category_id, 0.25);
    context.beginPath();
    if (hasPolygons(annotation)) {
      for (const flat of annotation.segmentation) {
        points(flat).forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.closePath();
      }
      context.fill();
    } else {
      const corners = bounds(annotation);
      if (corners) context.rect(corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]);
    }
    context.stroke();
  }
}
