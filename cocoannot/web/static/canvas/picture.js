// The picture: found, decoded and drawn, never stretched. Its frame is what the image's record says; a picture of another
// size lies at the frame's left top. Shapes are not known here.
//
// Pictures are shown as browsers do, turned as their EXIF data says; but where only the pixels as they are stored have the
// record's width and height, the shapes were made on these, and these are shown.

import {HEAD, orientationOf, turnedBack} from "../geometry/orientation.js";
import {Feature, Polygon, Style, VectorLayer, VectorSource} from "../vendor/openlayers.js";

/** @import {ImageRecord, Preferences} from "../types.js" */
/** @import {Frame} from "../shapes/types.js" */

/** @typedef {HTMLImageElement | OffscreenCanvas} Drawable */
/** @typedef {{ok: boolean, width: number, height: number, turned: boolean, error: string | null}} Found The picture's own size; `error` in words. */

/** From so many screen pixels to one of the picture's on, pixels are shown as squares. */
const SQUARES = 2;
const GAMMA = "cocoannot-gamma";

/**
 * An image's picture, and what is to be known of it; no picture where there is none that can be shown.
 * @param {ImageRecord} image
 * @param {Frame | null} frame `null` where the record has no usable size.
 * @returns {Promise<{picture: Drawable | null, found: Found}>}
 */
export async function find(image, frame) {
  const url = `api/images/${image.id}/file`;
  try {
    const shown = (await decoded(url)) ?? (await rendered(url));
    const picture = frame ? await asRecorded(shown, frame, url) : shown;
    const size = sizeOf(picture);
    return {picture, found: {ok: true, ...size, turned: frame !== null && isTurned(size, frame), error: null}};
  } catch (error) {
    return {picture: null, found: {ok: false, width: 0, height: 0, turned: false, error: /** @type {Error} */ (error).message}};
  }
}

/** The server's thumbnail, `null` where there is none. @param {ImageRecord} image */
export const thumbnail = (image) => decoded(`api/images/${image.id}/thumbnail?size=256`);

export class Picture {
  #source = new VectorSource({wrapX: false});
  /** An element of its own in the page, so that filters are for the picture alone. */
  layer = new VectorLayer({source: this.#source, className: "picture-layer", renderBuffer: 0});
  #preferences;
  #element;
  #blurred = false;
  /** The filter that it is to have. */
  #wanted = "none";
  /** @type {SVGFEFuncRElement[]} */
  #gamma;

  /**
   * @param {HTMLElement} element
   * @param {Preferences} preferences
   */
  constructor(element, preferences) {
    this.#element = element;
    this.#preferences = preferences;
    this.#gamma = addGammaFilter(element);
    this.layer.on("postrender", () => this.#apply());
    preferences.on("change", (name) => (name === "brightness" || name === "contrast" || name === "gamma") && this.#filter());
  }

  clear() {
    this.#source.clear();
    this.#blur(false);
  }

  /**
   * Draws instead of what was there.
   * @param {Drawable} picture
   * @param {Frame} size
   * @param {{blurred?: boolean}} [how]
   */
  draw(picture, {width, height}, {blurred = false} = {}) {
    const feature = new Feature(new Polygon([[[0, 0], [width, 0], [width, -height], [0, -height], [0, 0]]]));
    feature.setStyle(new Style({
      renderer(coordinates, {context, pixelRatio}) {
        const ring = /** @type {[number, number][][]} */ (coordinates)[0];
        const [xs, ys] = [ring.map(([x]) => x), ring.map(([, y]) => y)];
        const [left, top] = [Math.min(...xs), Math.min(...ys)];
        const wide = Math.max(...xs) - left;
        context.imageSmoothingEnabled = wide / sizeOf(picture).width < SQUARES * pixelRatio;
        context.imageSmoothingQuality = "medium";
        context.drawImage(picture, left, top, wide, Math.max(...ys) - top);
      },
    }));
    this.#source.clear(true);
    this.#source.addFeature(feature);
    this.#blur(blurred);
  }

  /** @param {boolean} on */
  #blur(on) {
    this.#blurred = on;
    this.#filter();
  }

  #filter() {
    const [brightness, contrast, gamma] = /** @type {const} */ (["brightness", "contrast", "gamma"]).map((name) => this.#preferences.get(name));
    for (const channel of this.#gamma) channel.exponent.baseVal = 1 / gamma;
    const filters = [
      brightness !== 1 && `brightness(${brightness})`, contrast !== 1 && `contrast(${contrast})`,
      gamma !== 1 && `url(#${GAMMA})`, this.#blurred && "blur(6px)",
    ].filter(Boolean);
    this.#wanted = filters.join(" ") || "none";
    this.#apply();
  }

  /** Its element comes with the first drawing, and another one with another density. */
  #apply() {
    const layer = /** @type {HTMLElement | null} */ (this.#element.querySelector(".picture-layer"));
    if (layer && layer.style.filter !== this.#wanted) layer.style.filter = this.#wanted;
  }
}

/** @param {Drawable} picture */
const sizeOf = (picture) => (picture instanceof HTMLImageElement ? {width: picture.naturalWidth, height: picture.naturalHeight} : {width: picture.width, height: picture.height});

/** @type {(one: Frame, other: Frame) => boolean} */
const isTurned = (one, other) => one.width !== one.height && one.width === other.height && one.height === other.width;

/**
 * @param {string} url
 * @returns {Promise<HTMLImageElement | null>}
 */
async function decoded(url) {
  const image = new Image();
  image.src = url;
  return image.decode().then(() => (image.naturalWidth ? image : null), () => null);
}

/**
 * The server's rendering, of what browsers can't show. Throws an error with the reason where there is none.
 * @param {string} url
 */
async function rendered(url) {
  const answer = await fetch(`${url}?as=jpeg`).catch(() => {
    throw new Error("the server does not answer");
  });
  if (!answer.ok) throw new Error(await answer.json().then(({message}) => String(message), () => `the server answers with ${answer.status}`));
  const address = URL.createObjectURL(await answer.blob());
  const image = await decoded(address);
  URL.revokeObjectURL(address);
  if (!image) throw new Error("it is damaged");
  return image;
}

/**
 * The picture, or its pixels as they are stored where these have the record's size and the picture has not.
 * @param {HTMLImageElement} picture
 * @param {Frame} frame
 * @param {string} url
 * @returns {Promise<Drawable>}
 */
async function asRecorded(picture, frame, url) {
  if (!isTurned(sizeOf(picture), frame)) return picture;
  const file = await fetch(url).then((answer) => answer.blob()).catch(() => null);
  const head = file ? new Uint8Array(await file.slice(0, HEAD).arrayBuffer()) : new Uint8Array();
  // Browsers have no way to draw a picture as it is stored: it is turned back.
  const matrix = turnedBack(orientationOf(head), frame);
  if (!matrix) return picture;
  const stored = new OffscreenCanvas(frame.width, frame.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (stored.getContext("2d"));
  context.setTransform(...matrix);
  context.drawImage(picture, 0, 0);
  return stored;
}

/**
 * CSS has no filter for gamma; SVG has. Gives its channels.
 * @param {HTMLElement} element
 */
function addGammaFilter(element) {
  const make = (/** @type {string} */ name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  const [svg, filter, transfer] = [make("svg"), make("filter"), make("feComponentTransfer")];
  svg.setAttribute("width", "0");
  svg.setAttribute("height", "0");
  svg.setAttribute("aria-hidden", "true");
  // In the line, it would push the picture down.
  svg.style.position = "absolute";
  filter.id = GAMMA;
  filter.setAttribute("color-interpolation-filters", "sRGB");
  const channels = ["feFuncR", "feFuncG", "feFuncB"].map((name) => /** @type {SVGFEFuncRElement} */ (make(name)));
  for (const channel of channels) channel.setAttribute("type", "gamma");
  transfer.append(...channels);
  filter.append(transfer);
  svg.append(filter);
  element.append(svg);
  return channels;
}
