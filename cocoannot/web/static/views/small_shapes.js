// Shapes in small, on a 2D canvas: on the gallery's tiles, and where two versions are compared. The editor's canvas is another one.

import {colour} from "../state/colours.js";
import {bounds, draw, fault} from "../shapes/registry.js";

/** @import {Annotation} from "../types.js" */
/** @import {Mask, Outline} from "../shapes/types.js" */

const FILL = 0.22;

/**
 * Draw on a canvas whose context counts in the picture's pixels; `scale` says how many of its own one of those is. What can't be
 * drawn is left out, and the others are there.
 * @param {CanvasRenderingContext2D} context
 * @param {Iterable<Annotation>} annotations
 * @param {number} scale
 * @param {(annotation: Annotation, alpha: number) => string} [colourOf]
 */
export function drawShapes(context, annotations, scale, colourOf = (annotation, alpha) => colour(annotation.category_id, alpha)) {
  for (const annotation of annotations) {
    if (fault(annotation) !== null) continue;
    const outline = draw(annotation);
    context.strokeStyle = colourOf(annotation, 1);
    context.fillStyle = colourOf(annotation, FILL);
    context.lineWidth = lineWidth(annotation) / scale;
    if (outline.mask) drawMask(context, outline.mask, colourOf(annotation, 0.55));
    drawRings(context, outline);
    drawKeypoints(context, outline, scale);
  }
}

/**
 * Thin where the shape is tiny, so that it is not covered by its own line.
 * @param {Annotation} annotation
 */
function lineWidth(annotation) {
  const around = bounds(annotation);
  return around && Math.min(around[2] - around[0], around[3] - around[1]) < 24 ? 1 : 1.5;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Outline} outline
 */
function drawRings(context, {rings}) {
  if (!rings.length) return;
  context.beginPath();
  for (const ring of rings) {
    ring.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
  }
  context.fill("evenodd");
  context.stroke();
}

/**
 * COCO's runs go down the columns.
 * @param {CanvasRenderingContext2D} context
 * @param {Mask} mask
 * @param {string} fill
 */
function drawMask(context, {runs, size: [height]}, fill) {
  context.fillStyle = fill;
  let at = 0;
  for (let i = 0; i < runs.length; at += runs[i], i++) {
    if (i % 2 === 0) continue;
    for (let start = at, end = at + runs[i]; start < end;) {
      const y = start % height;
      const length = Math.min(height - y, end - start);
      context.fillRect(Math.floor(start / height), y, 1, length);
      start += length;
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Outline} outline
 * @param {number} scale
 */
function drawKeypoints(context, {keypoints}, scale) {
  context.fillStyle = context.strokeStyle;
  for (const point of keypoints) {
    if (!point) continue;
    context.beginPath();
    context.arc(point.x, point.y, (point.visible === 2 ? 2 : 1.5) / scale, 0, 2 * Math.PI);
    if (point.visible === 2) context.fill();
    else context.stroke();
  }
}

/**
 * The part of the picture around two versions of a shape, with one of them strong and the other as a thin line.
 * @param {HTMLCanvasElement} canvas
 * @param {{annotation: Annotation, other: Annotation | null, picture: CanvasImageSource | null, colourOf: (annotation: Annotation) => string}} options
 */
export function drawVersion(canvas, {annotation, other, picture, colourOf}) {
  const both = [annotation, other].filter((each) => each !== null && fault(each) === null);
  const around = both.map((each) => bounds(/** @type {Annotation} */ (each))).filter((each) => each !== null);
  canvas.hidden = !around.length;
  const context = canvas.getContext("2d");
  if (!context || !around.length) return;
  const [left, top] = [0, 1].map((i) => Math.min(...around.map((each) => each[i])));
  const [right, bottom] = [2, 3].map((i) => Math.max(...around.map((each) => each[i])));
  const scale = Math.min(canvas.width / (1.3 * Math.max(4, right - left)), canvas.height / (1.3 * Math.max(4, bottom - top)));
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  context.translate(-(left + right) / 2, -(top + bottom) / 2);
  if (picture) context.drawImage(picture, 0, 0);
  if (other) {
    context.setLineDash([4 / scale, 3 / scale]);
    drawShapes(context, [other], scale, (_, alpha) => (alpha === 1 ? "rgb(255 255 255)" : "transparent"));
    context.setLineDash([]);
  }
  drawShapes(context, [annotation], scale / 3, (each, alpha) => (alpha === 1 ? colourOf(each) : "transparent"));
}
