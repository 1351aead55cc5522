// The ground on which all is drawn: OpenLayers' map with its view. Where the picture's pixels are on the screen, and how
// that is changed. What is drawn is not known here.
//
// COCO counts y downwards, OpenLayers upwards: the pixel (x, y) is at (x, -y) on the map.

import {Emitter} from "../state/emitter.js";
import {OlMap, Projection, View} from "../vendor/openlayers.js";

/** @import BaseLayer from "ol/layer/Base.js" */
/** @import {Point} from "../types.js" */
/** @import {Bounds, Frame} from "../shapes/types.js" */

/** Screen pixels around a picture that is fitted. */
const MARGIN = 12;
/** Screen pixels to one of the picture's. */
const MOST_ZOOM = 64;
/** While the view moves, shapes are drawn as they were made for the view before, which is quicker; milliseconds. */
const AT_REST = 120;

/** `drawn`: the view is on the screen. @extends {Emitter<{zoom: number, drawn: undefined}>} */
export class Stage extends Emitter {
  /** @type {Frame} */
  frame = {width: 1, height: 1};
  /** Nobody has moved the picture since it was fitted. */
  #fitted = true;
  #view = viewOf(this.frame);
  /** @type {OlMap} */
  #map;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;

  /**
   * @param {HTMLElement} element
   * @param {BaseLayer[]} layers From the lowest.
   */
  constructor(element, layers) {
    super();
    this.element = element;
    this.layers = layers;
    this.#map = this.#makeMap();
    new ResizeObserver(() => this.#resized()).observe(element);
    this.#followDensity();
  }

  /** A new picture's frame, fitted. @param {Frame} frame */
  show(frame) {
    this.frame = frame;
    this.#view = viewOf(frame);
    this.#map.setView(this.#view);
    this.fit();
  }

  fit() {
    const {width, height} = this.frame;
    this.#place([0, 0, width, height], MARGIN);
    this.#fitted = true;
  }

  /** Screen pixels to one of the picture's. */
  get zoom() {
    return 1 / (this.#view.getResolution() ?? 1);
  }

  /**
   * @param {number} factor
   * @param {[x: number, y: number]} [anchor] What stays where it is, in pixels of the window; else the middle.
   */
  zoomBy(factor, anchor) {
    const before = this.#view.getResolution();
    if (!before) return;
    const resolution = Math.min(this.#view.getMaxResolution(), Math.max(this.#view.getMinResolution(), before / factor));
    this.#begin();
    if (anchor) {
      const [x, y] = this.pixelAt(...anchor);
      const [centerX, centerY] = this.center;
      const ratio = resolution / before;
      this.#view.setCenter([x + (centerX - x) * ratio, -(y + (centerY - y) * ratio)]);
    }
    this.#view.setResolution(resolution);
    this.emit("zoom", this.zoom);
  }

  /** By pixels of the screen. @param {number} dx @param {number} dy */
  panBy(dx, dy) {
    const [x, y] = this.center;
    this.#begin();
    this.#view.setCenter([x - dx / this.zoom, -(y - dy / this.zoom)]);
  }

  /** Moves the picture as far as it takes to see the bounds, and makes it smaller where they are too large for that. @param {Bounds} bounds */
  panTo([left, top, right, bottom]) {
    const [wide, high] = this.#size().map((side) => (side / 2 - MARGIN) / this.zoom);
    if (right - left > 2 * wide || bottom - top > 2 * high) return this.zoomTo([left, top, right, bottom]);
    const [x, y] = this.center;
    /** @type {(center: number, low: number, high: number, half: number) => number} */
    const along = (center, low, high, half) => Math.min(low + half, Math.max(high - half, center));
    this.#view.setCenter([along(x, left, right, wide), -along(y, top, bottom, high)]);
    this.#fitted = false;
  }

  /** Shows the bounds with some of what is around them. @param {Bounds} bounds */
  zoomTo([left, top, right, bottom]) {
    const around = Math.max(right - left, bottom - top, 8) / 2;
    this.#place([left - around, top - around, right + around, bottom + around], MARGIN);
    this.#fitted = false;
  }

  /** The picture's pixel at a place in the window. @param {number} clientX @param {number} clientY @returns {Point} */
  pixelAt(clientX, clientY) {
    const box = this.element.getBoundingClientRect();
    const [x, y] = this.center;
    return [x + (clientX - box.left - box.width / 2) / this.zoom, y + (clientY - box.top - box.height / 2) / this.zoom];
  }

  /** Where a pixel of the picture is in the window. @param {number} x @param {number} y @returns {Point} */
  placeOf(x, y) {
    const box = this.element.getBoundingClientRect();
    const [centerX, centerY] = this.center;
    return [box.left + box.width / 2 + (x - centerX) * this.zoom, box.top + box.height / 2 + (y - centerY) * this.zoom];
  }


  /** Calls back when all that is wanted now has been drawn. @param {() => void} then */
  whenDrawn(then) {
    this.#map.once("rendercomplete", then);
    this.#map.render();
  }

  /** @param {Bounds} bounds @param {number} margin In screen pixels. */
  #place([left, top, right, bottom], margin) {
    const [wide, high] = this.#size();
    const resolution = Math.max((right - left) / Math.max(1, wide - 2 * margin), (bottom - top) / Math.max(1, high - 2 * margin));
    this.#view.setResolution(resolution);
    this.#view.setCenter([(left + right) / 2, -(top + bottom) / 2]);
    this.emit("zoom", this.zoom);
  }

  /** The picture's pixel in the middle of the window. @returns {Point} */
  get center() {
    const [x, y] = this.#view.getCenter() ?? [0, 0];
    return [x, -y];
  }

  #size() {
    return [this.element.clientWidth, this.element.clientHeight];
  }

  #begin() {
    this.#fitted = false;
    if (this.#resting === undefined) this.#view.beginInteraction();
    const view = this.#view;
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      view.endInteraction(0);
    }, AT_REST);
  }

  #resized() {
    this.#map.updateSize();
    if (this.#fitted) this.fit();
  }

  #makeMap() {
    const map = new OlMap({target: this.element, layers: [...this.layers], view: this.#view, controls: [], interactions: [], pixelRatio: devicePixelRatio});
    map.on("postrender", () => this.emit("drawn"));
    return map;
  }

  /** The map's density is that of when it was made: another one, after zooming the page or on another screen, takes another map. */
  #followDensity() {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => {
      this.#map.setLayers([]);
      this.#map.setTarget(undefined);
      this.#map = this.#makeMap();
      this.#followDensity();
    }, {once: true});
  }
}

/** @param {Frame} frame */
function viewOf({width, height}) {
  const extent = [0, -height, width, 0];
  return new View({
    projection: new Projection({code: "pixels", units: "pixels", extent}),
    center: [width / 2, -height / 2],
    resolution: 1,
    minResolution: Math.min(1 / MOST_ZOOM, Math.max(width, height) / 4000),
    maxResolution: Math.max(width, height) / 20,
    enableRotation: false,
    extent,
    // What is to be seen may reach beyond the picture; else a long one could not be fitted.
    constrainOnlyCenter: true,
    smoothExtentConstraint: false,
    smoothResolutionConstraint: false,
  });
}
