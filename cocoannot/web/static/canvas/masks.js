// Masks as small images: painted once, then drawn as often as the view moves. Each has the size of the mask's box, or less
// where that is larger than any screen.

import {pieces} from "../geometry/rle.js";
import {combinedColumn} from "../geometry/spans.js";

/** @import {Bounds, Mask} from "../shapes/types.js" */

/** Pixels of one image; beyond it, only each second (third, ...) row and column is painted. */
const MOST = 4_000_000;

/** How opaque the edge is. */
const EDGE = 0.9;

/** @type {WeakMap<number[], {look: string, image: OffscreenCanvas}>} By the mask's runs. */
const painted = new WeakMap();

/**
 * The mask in a colour, its edge opaque; x and y have changed places.
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

/**
 * A row of the image is a column of the picture: what belongs together lies together then, and is painted at once.
 * @type {typeof imageOf}
 */
function paint({runs, size}, [left, top, right, bottom], colour, opacity) {
  const step = Math.max(1, Math.ceil(Math.sqrt(((right - left) * (bottom - top)) / MOST)));
  const [width, height] = [Math.ceil((right - left) / step), Math.ceil((bottom - top) / step)];
  /** @type {import("../geometry/spans.js").Column[]} */
  const columns = Array.from({length: width}, () => []);
  for (const [x, from, to] of pieces(runs, size[0])) {
    if ((x - left) % step === 0) append(columns[(x - left) / step], Math.ceil((from - top) / step), Math.ceil((to - top) / step));
  }
  const image = new OffscreenCanvas(height, width);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (image.getContext("2d"));
  const [soft, hard] = [opacity, EDGE].map((alpha) => packed(colour, alpha));
  const data = context.createImageData(height, width);
  const painted = new Uint32Array(data.data.buffer);
  columns.forEach((column, x) => {
    const start = x * height;
    const fill = (/** @type {number[]} */ ends, /** @type {number} */ how) => {
      for (let i = 0; i < ends.length; i += 2) painted.fill(how, start + ends[i], start + ends[i + 1]);
    };
    fill(column, soft);
    for (const beside of [columns[x - 1], columns[x + 1]]) fill(combinedColumn(column, beside ?? [], "difference"), hard);
    for (let i = 0; i < column.length; i += 2) painted[start + column[i]] = painted[start + column[i + 1] - 1] = hard;
  });
  context.putImageData(data, 0, 0);
  return image;
}

/**
 * Rows more, which are one piece with those before where they touch.
 * @param {number[]} ends
 * @param {number} from
 * @param {number} to
 */
function append(ends, from, to) {
  if (from >= to) return;
  if (ends.at(-1) === from) ends[ends.length - 1] = to;
  else ends.push(from, to);
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
