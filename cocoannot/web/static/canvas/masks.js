// Masks as small images: painted once, then drawn as often as the view moves. Each has the size of the mask's box, or less
// where that is larger than any screen.

import {pieces} from "../geometry/rle.js";

/** @import {Bounds, Mask} from "../shapes/types.js" */

/** Pixels of one image; beyond it, only each second (third, ...) row and column is painted. */
const MOST = 4_000_000;

/** How opaque the edge is. */
const EDGE = 0.9;

/** @type {WeakMap<number[], {look: string, image: OffscreenCanvas}>} By the mask's runs. */
const painted = new WeakMap();

/**
 * The mask in a colour, its edge opaque.
 * @param {Mask} mask
 * @param {Bounds} box Of the mask, in pixels.
 * @param {string} colour
 * @param {number} opacity Of what is inside, from 0 to 1.
 * @returns {OffscreenCanvas}
 */
export function imageOf(mask, box, colour, opacity) {
  const look = `${colour} ${opacity}`;
  const known = painted.get(mask.runs);
  if (known?.look === look) return known.image;
  const image = paint(mask, box, colour, opacity);
  painted.set(mask.runs, {look, image});
  return image;
}

/** @type {typeof imageOf} */
function paint({runs, size}, [left, top, right, bottom], colour, opacity) {
  const step = Math.max(1, Math.ceil(Math.sqrt(((right - left) * (bottom - top)) / MOST)));
  const [width, height] = [Math.ceil((right - left) / step), Math.ceil((bottom - top) / step)];
  const inside = new Uint8Array(width * height);
  for (const [column, from, to] of pieces(runs, size[0])) {
    if ((column - left) % step) continue;
    const x = (column - left) / step;
    for (let y = Math.ceil((from - top) / step); y * step < to - top; y++) inside[y * width + x] = 1;
  }
  const image = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (image.getContext("2d"));
  const [soft, hard] = [opacity, EDGE].map((alpha) => packed(colour, alpha));
  const data = context.createImageData(width, height);
  const painted = new Uint32Array(data.data.buffer);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!inside[at]) continue;
      const edge = x === 0 || y === 0 || x === width - 1 || y === height - 1 || !inside[at - 1] || !inside[at + 1] || !inside[at - width] || !inside[at + width];
      painted[at] = edge ? hard : soft;
    }
  }
  context.putImageData(data, 0, 0);
  return image;
}

const pixel = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true}));

/**
 * A colour as the four bytes of one pixel.
 * @param {string} colour
 * @param {number} alpha From 0 to 1.
 */
function packed(colour, alpha) {
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  const {data} = pixel.getImageData(0, 0, 1, 1);
  data[3] = Math.round(255 * alpha);
  return new Uint32Array(data.buffer)[0];
}
