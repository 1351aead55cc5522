// The pixels that a segmentation covers, polygons and masks alike, and a mask of pixels.

import {pointsOf} from "./polygons.js";
import * as rle from "./rle.js";
import * as spans from "./spans.js";

/** @import {Polygon, Rle} from "../types.js" */
/** @import {Spans} from "./spans.js" */

/** @typedef {Polygon[] | Rle} Segmentation */
/** @typedef {[height: number, width: number]} Size */

/**
 * Throws a RangeError that says why a mask has no pixels on a picture of this size.
 * @param {Segmentation} segmentation
 * @param {Size} size
 * @returns {Spans}
 */
export function spansOf(segmentation, size) {
  if (Array.isArray(segmentation)) return spans.filled(segmentation.map(pointsOf), size);
  const runs = rle.decode(segmentation);
  if (segmentation.size[0] !== size[0] || segmentation.size[1] !== size[1]) throw new RangeError("the mask has another size than its image");
  return spans.fromRuns(runs, segmentation.size);
}

/** `null` where there is no pixel. @param {Spans} all @returns {Rle | null} */
export const maskOf = (all) => (all.columns.some((column) => column.length) ? {size: all.size, counts: rle.encode(spans.toRuns(all))} : null);
