// RLE masks of COCO: columns of pixels, runs of 0 and 1 in turn, from the top left down.

/** @import {Rle} from "./types.js" */

/**
 * The runs of an RLE segmentation, compressed or not.
 * @param {Rle} segmentation
 */
function runs({counts}) {
  return Array.isArray(counts) ? counts : decompress(counts);
}

/**
 * The runs in COCO's compressed form: five bits a character, from the third run on as differences to the one before last.
 * @param {string} text
 */
function decompress(text) {
  /** @type {number[]} */
  const found = [];
  let position = 0;
  while (position < text.length) {
    let value = 0;
    let shift = 0;
    let bits;
    do {
      bits = text.charCodeAt(position++) - 48;
      value |= (bits & 31) << shift;
      shift += 5;
    } while (bits & 32);
    if (bits & 16) value |= -1 << shift;
    found.push(found.length > 2 ? value + found[found.length - 2] : value);
  }
  return found;
}

/**
 * Paint the mask's pixels into `pixels`, RGBA of `width` by `height`.
 * @param {Rle} segmentation
 * @param {Uint8ClampedArray} pixels
 * @param {number} width
 * @param {number} height
 * @param {[red: number, green: number, blue: number, alpha: number]} colour
 */
export function paint(segmentation, pixels, width, height, [red, green, blue, alpha]) {
  let position = 0;
  let inside = false;
  for (const length of runs(segmentation)) {
    if (inside) {
      for (let i = position; i < position + length; i++) {
        const at = 4 * ((i % height) * width + Math.floor(i / height));
        pixels[at] = red;
        pixels[at + 1] = green;
        pixels[at + 2] = blue;
        pixels[at + 3] = alpha;
      }
    }
    position += length;
    inside = !inside;
  }
}
