// The line above the picture: where one is in the list, the file's name, what can be done now, the zoom.

import {el, iconButton, setAttribute, setText} from "./dom.js";
import {icon} from "./icons.js";
import {nameOr, percent} from "./words.js";

/** @import {ImageRecord, Neighbours} from "../types.js" */
/** @import {CommandButtons} from "./command_button.js" */

export class EditorBar {
  /**
   * @param {{buttons: CommandButtons, shapes: {button: HTMLElement, panel: HTMLElement}, here: HTMLElement, work: {element: HTMLElement, panel: HTMLElement}, seeing: {button: HTMLElement, panel: HTMLElement}, more: {button: HTMLElement, panel: HTMLElement}, toggleSidebar: () => unknown}} parts
   */
  constructor({buttons, shapes, here, work, seeing, more, toggleSidebar}) {
    this.place = el("span", {class: "place"});
    this.title = el("h1", {class: "title text"});
    this.size = el("span", {class: "picture-size"});
    this.zoom = buttons.make("zoom.fit", {text: "100 %", iconName: "fit", className: "zoom"});
    this.zoomText = /** @type {HTMLElement} */ (this.zoom.querySelector(".text"));
    this.sidebar = iconButton("sidebar", "Show or hide the lists", toggleSidebar);
    this.apt = el(
      "div",
      {class: "when-apt"},
      shapes.button,
      buttons.make("selection.relabel", {shown: "apt", text: "Category", iconName: "tag"}),
      buttons.make("selection.delete", {shown: "apt", text: "Delete", iconName: "delete"}),
      buttons.make("draft.finish", {shown: "apt", text: "Finish", iconName: "check"}),
      buttons.make("draft.undo", {shown: "apt", text: "One back", iconName: "undo"}),
      buttons.make("draft.cancel", {shown: "apt", text: "Give up", iconName: "close", className: "draft"}),
    );
    this.element = el(
      "div",
      {class: "bar"},
      // On a phone, the head of the page leads there.
      buttons.make("images.all", {iconName: "images", className: "only-roomy"}),
      el(
        "div",
        {class: "group steps", role: "group", "aria-label": "Images"},
        buttons.make("image.previous", {iconName: "previous"}),
        this.place,
        buttons.make("image.next", {iconName: "next"}),
      ),
      this.title,
      this.size,
      here,
      this.apt,
      el(
        "div",
        {class: "bar-end"},
        work.element,
        more.button,
        seeing.button,
        el(
          "div",
          {class: "group only-roomy", role: "group", "aria-label": "Zoom"},
          buttons.make("zoom.out", {iconName: "minus"}),
          this.zoom,
          buttons.make("zoom.in", {iconName: "plus"}),
        ),
        this.sidebar,
      ),
      shapes.panel,
      more.panel,
      seeing.panel,
      work.panel,
    );
  }

  /**
   * @param {ImageRecord | null} image
   * @param {string} otherwise what stands there while there is none
   */
  showImage(image, otherwise) {
    const name = image ? nameOr(image.file_name, `image ${image.id}`) : otherwise;
    this.title.classList.toggle("dim", !image);
    setText(this.title, name);
    setAttribute(this.title, "title", image ? `${name}, id ${image.id}` : null);
    setText(this.size, image ? `${image.width} × ${image.height}` : "");
  }

  /**
   * @param {Neighbours | null} neighbours
   * @param {string} filters in words, "" where there are none
   */
  showPlace(neighbours, filters) {
    const {position, total} = neighbours ?? {position: null, total: null};
    setText(this.place, total === null ? "" : `${position === null ? "-" : (position + 1).toLocaleString("en")} / ${total.toLocaleString("en")}`);
    setAttribute(this.place, "title", filters ? `Among the images with: ${filters}` : "Among all images");
    this.place.classList.toggle("filtered", filters !== "");
    if (filters) this.place.append(icon("filter"));
  }

  /** @param {number | null} zoom */
  showZoom(zoom) {
    setText(this.zoomText, zoom === null ? "" : percent(zoom));
  }

  /** @param {boolean} shown */
  showSidebar(shown) {
    setAttribute(this.sidebar, "aria-pressed", String(shown));
  }
}
