// All images as a grid of which only what is in view is in the document, whatever their number. Where the images come from is the
// business of gallery_pages.js, filters of gallery_filters.js.

import {messageOf} from "../net/api.js";
import {go, imagesAddress} from "../state/router.js";
import {Adding} from "./adding.js";
import {isOpen} from "./dialogs.js";
import {el, oncePerFrame} from "./dom.js";
import {GalleryFilters} from "./gallery_filters.js";
import {GalleryPages} from "./gallery_pages.js";
import {makeProgressBar} from "./progress_bar.js";
import {emptyState} from "./states.js";
import {CAPTION, makeSkeleton, makeTile, showPeople} from "./tile.js";
import {plural} from "./words.js";

/** @import {Categories, Commands, ListedImage, Preferences, ToldChange} from "../types.js" */
/** @import {Me} from "../state/me.js" */
/** @import {CommandButtons} from "./command_button.js" */
/** @import {Presence} from "../state/presence.js" */
/** @import {Progress} from "../state/progress.js" */

const GAP = 12;
const SHAPE = 3 / 4;
const AT_LEAST = 2;

export class Gallery {
  query = new URLSearchParams();
  /** @type {Map<number, {tile: HTMLElement, image: ListedImage | null}>} By position. */
  #tiles = new Map();
  #layout = {columns: AT_LEAST, width: 0, height: 0};
  #scrollTop = 0;
  /** @type {number | null} The image that the user comes back from. */
  #last = null;
  /** @type {number | null} Where it is to be shown, until it is. */
  #backTo = null;

  /**
   * @param {HTMLElement} element
   * @param {{categories: Categories, preferences: Preferences, presence: Presence, progress: Progress, me: Me, commands: Commands, buttons: CommandButtons,
   *   chooseCategory: () => Promise<number | null>, nameOf: (id: number) => string}} parts
   */
  constructor(element, parts) {
    this.element = element;
    this.preferences = parts.preferences;
    this.presence = parts.presence;
    this.me = parts.me;
    this.pages = new GalleryPages(() => this.#changed());
    this.filters = new GalleryFilters(parts);
    this.grid = el("div", {class: "grid"});
    this.scroller = el("div", {class: "scroller", tabindex: "0", role: "region", "aria-label": "Thumbnails"}, this.grid);
    this.message = el("div", {hidden: true});
    this.adding = new Adding({...parts, added: () => this.#added(), isShown: () => !element.hidden && !isOpen()});
    this.tilesArea = el("div", {class: "tiles"}, this.scroller, this.message, this.adding.target);
    this.filters.count.before(this.adding.button, this.adding.scanButton);
    element.replaceChildren(
      el("h1", {class: "for-readers"}, "Images"),
      this.filters.bar,
      this.filters.chips,
      makeProgressBar(parts),
      this.adding.panel.element,
      this.tilesArea,
      this.adding.input,
    );
    const render = oncePerFrame(() => this.#render());
    const measure = oncePerFrame(() => this.#measure());
    this.scroller.addEventListener(
      "scroll",
      () => {
        if (!element.hidden) this.#scrollTop = this.scroller.scrollTop;
        render();
      },
      {passive: true},
    );
    this.grid.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(measure).observe(this.scroller);
    parts.preferences.on("change", (name) => name === "thumbnailSize" && measure());
    parts.presence.on("change", oncePerFrame(() => this.#showPeople()));
  }

  /**
   * Show the images that `query` selects: where they were shown before, at the place where the user was, or has come to since.
   * @param {URLSearchParams} query
   * @param {{id: number, position: number | null} | null} [last] the image that the user comes from, and where it is in the list
   */
  open(query, last = null) {
    document.title = "Images - cocoannot";
    const same = query.toString() === this.query.toString() && this.pages.total !== null;
    this.query = query;
    if (last) this.#comeFrom(last);
    this.filters.show(query);
    if (same) {
      this.scroller.scrollTop = this.#scrollTop;
      this.pages.reload();
      return;
    }
    this.#scrollTop = this.scroller.scrollTop = 0;
    this.#clear();
    this.pages.open(query);
    this.#changed();
  }

  /** @param {{id: number, position: number | null}} last */
  #comeFrom({id, position}) {
    this.#last = id;
    this.#backTo = position ?? this.pages.positionOf(id);
    for (const {tile, image} of this.#tiles.values()) tile.classList.toggle("last", image?.id === id);
  }

  /** Ask again for what is shown: the server is back, or somebody has changed something. */
  refresh() {
    this.adding.wake();
    if (this.element.hidden) return;
    if (this.pages.fault) this.pages.retry();
    else this.pages.reload();
  }

  /** A change of anybody's: what it is about is asked for again, a moment later. @param {ToldChange} change */
  heard(change) {
    this.pages.heard(change);
  }

  /** Changes are told from `revision` on. @param {number} revision */
  toldFrom(revision) {
    this.pages.toldFrom(revision);
  }

  #showPeople() {
    if (this.element.hidden) return;
    for (const {tile, image} of this.#tiles.values()) if (image) showPeople(tile, this.presence.onImage(image.id));
  }

  #changed() {
    const {total, fault} = this.pages;
    this.filters.count.textContent = total === null ? (fault ? "" : "Loading...") : plural(total, "image");
    this.#showMessage();
    this.#measure();
    if (this.#backTo !== null && total !== null) this.#bringBack(this.#backTo);
  }

  #showMessage() {
    const {total, fault} = this.pages;
    const state = this.#state(total, fault);
    this.message.hidden = state === null;
    if (state) this.message.replaceChildren(state);
  }

  /**
   * @param {number | null} total
   * @param {unknown} fault
   */
  #state(total, fault) {
    // What is shown already stays; the head of the page says that the server is away.
    if (fault && total === null)
      return emptyState("away", "The images can't be shown", `${messageOf(fault)}. This page tries again by itself.`, [
        {text: "Try again", run: () => this.pages.retry()},
      ]);
    if (total !== 0) return null;
    const filtered = [...this.query.keys()].some((name) => name !== "sort");
    if (!filtered) return this.#noImages();
    return emptyState("search", "No image fits these filters", "Take one of them away to see more.", [
      {text: "Show all images", primary: true, run: () => go(imagesAddress({}), {replace: true})},
    ]);
  }

  /** There are pictures that were not: of new images, and of some that had none. */
  #added() {
    for (const [position, {tile}] of this.#tiles) {
      if (!tile.querySelector(".missing")) continue;
      tile.remove();
      this.#tiles.delete(position);
    }
    this.refresh();
  }

  #noImages() {
    if (!this.me.may("admin")) return emptyState("images", "There are no images yet", "An administrator can add pictures.");
    return emptyState("images", "There are no images yet", "Drop pictures here, or put them into the dataset's image folder and let the server look for them.", [
      {text: "Add pictures", primary: true, run: () => this.adding.choose()},
      {text: "Look in the image folder", run: () => this.adding.scan()},
    ]);
  }

  /** The image that the user comes from is in view, and has the focus as soon as it is there. @param {number} position */
  #bringBack(position) {
    const top = Math.floor(position / this.#layout.columns) * (this.#layout.height + GAP);
    const {scrollTop, clientHeight} = this.scroller;
    if (top < scrollTop || top + this.#layout.height > scrollTop + clientHeight)
      this.scroller.scrollTop = top - (clientHeight - this.#layout.height) / 2;
    this.#render();
    const shown = this.#tiles.get(position);
    if (shown && !shown.image) return;
    this.#backTo = null;
    // Right after a view is hidden, the focus is still on what nobody sees.
    const {activeElement} = document;
    if (activeElement === document.body || !activeElement?.checkVisibility()) shown?.tile.focus({preventScroll: true});
  }

  /** Fluid tiles: as many columns as fit at the size wanted, which then fill the width. */
  #measure() {
    const room = this.scroller.clientWidth - 2 * parseFloat(getComputedStyle(this.scroller).paddingLeft || "0");
    if (room <= 0) return;
    const columns = Math.max(AT_LEAST, Math.floor((room + GAP) / (this.preferences.get("thumbnailSize") + GAP)));
    const width = Math.floor((room - GAP * (columns - 1)) / columns);
    const height = Math.round(width * SHAPE) + CAPTION;
    const first = this.#firstInView();
    const other = columns !== this.#layout.columns || width !== this.#layout.width;
    this.#layout = {columns, width, height};
    this.grid.style.height = `${Math.max(0, Math.ceil((this.pages.total ?? this.#placeholders()) / columns) * (height + GAP) - GAP)}px`;
    if (other) {
      this.#clear();
      // The picture at the top stays at the top.
      if (first > 0) this.scroller.scrollTop = Math.floor(first / columns) * (height + GAP);
    }
    this.#render();
  }

  #firstInView() {
    const {columns, height} = this.#layout;
    return height ? Math.floor(this.scroller.scrollTop / (height + GAP)) * columns : 0;
  }

  /** As many skeletons as fill the window, while nothing is known. */
  #placeholders() {
    const {columns, height} = this.#layout;
    return this.pages.fault || !height ? 0 : columns * Math.ceil(this.scroller.clientHeight / (height + GAP));
  }

  #clear() {
    for (const {tile} of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
  }

  /** Put the tiles in view there, take the others away. */
  #render() {
    const {columns, height} = this.#layout;
    if (this.element.hidden || !height) return;
    const {scrollTop, clientHeight} = this.scroller;
    const total = this.pages.total ?? this.#placeholders();
    const first = Math.max(0, Math.floor(scrollTop / (height + GAP)) - 1) * columns;
    const last = Math.min(total, (Math.ceil((scrollTop + clientHeight) / (height + GAP)) + 1) * columns);
    for (const [position, {tile}] of this.#tiles) {
      if (position >= first && position < last) continue;
      tile.remove();
      this.#tiles.delete(position);
    }
    for (let position = first; position < last; position++) this.#show(position);
  }

  /** @param {number} position */
  #show(position) {
    const known = this.#tiles.get(position);
    const image = this.pages.total === null ? null : this.pages.at(position);
    // While it is asked for again, what was shown stays.
    if (known && (image === null || known.image === image || isSame(known.image, image))) return;
    const hadFocus = known?.tile === document.activeElement;
    const {columns, width, height} = this.#layout;
    const tile = image ? makeTile(image, {query: this.query, width, height, isLast: image.id === this.#last}) : makeSkeleton(width, height);
    tile.style.transform = `translate(${(position % columns) * (width + GAP)}px, ${Math.floor(position / columns) * (height + GAP)}px)`;
    if (known) known.tile.replaceWith(tile);
    else this.grid.insertBefore(tile, this.#after(position));
    this.#tiles.set(position, {tile, image});
    if (image) showPeople(tile, this.presence.onImage(image.id));
    if (hadFocus) tile.focus({preventScroll: true});
  }

  /**
   * The tile that follows: in the document they stand in the order of the images, for the keyboard and for screen readers.
   * @param {number} position
   */
  #after(position) {
    let next = Infinity;
    for (const other of this.#tiles.keys()) if (other > position && other < next) next = other;
    return this.#tiles.get(next)?.tile ?? null;
  }

  /**
   * Arrows go from tile to tile.
   * @param {KeyboardEvent} event
   */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const {columns} = this.#layout;
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns}[event.key];
    const from = [...this.#tiles].find(([, {tile}]) => tile === document.activeElement)?.[0];
    if (step === undefined || from === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const tile = this.#tiles.get(from + step)?.tile;
    tile?.focus({preventScroll: true});
    tile?.scrollIntoView({block: "nearest"});
  }
}

/**
 * @param {ListedImage | null} one
 * @param {ListedImage} other
 */
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);
