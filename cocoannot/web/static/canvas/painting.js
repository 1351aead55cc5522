// How lines, dots and words are painted on a 2D context, all in its own pixels. `unit` is how many of these a CSS pixel has.

/** @import {Point} from "../types.js" */
/** @import {Keypoint} from "../shapes/types.js" */

/** Farther beyond the canvas than any line is wide, in its pixels. */
const FAR = 40;

const forced = matchMedia("(forced-colors: active)");

/** Dark and light, so that one of them is seen on whatever the picture is; the system's own where a person has set those. */
export const contrast = () => (forced.matches ? {dark: "Canvas", light: "Highlight"} : {dark: "rgb(0 0 0 / 0.7)", light: "rgb(255 255 255 / 0.9)"});

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point[][]} lines
 * @param {boolean} closed
 */
export function path(context, lines, closed) {
  context.beginPath();
  for (const line of lines) {
    line.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (closed) context.closePath();
  }
}

/**
 * A ring of the picture where it is on the canvas, without the points that nobody sees: those hardly apart from the one before,
 * and those beyond the same side of the canvas as their neighbours. The edge of a mask has very many.
 * @param {Point[]} ring
 * @param {{scale: number, left: number, top: number, width: number, height: number, least: number}} canvas Where the picture's corner
 *   is, how large its pixels are, and how far apart two points are at least.
 */
export function seen(ring, {scale, left, top, width, height, least}) {
  const beyond = (/** @type {number} */ x, /** @type {number} */ y) => (x < -FAR ? 1 : 0) | (x > width + FAR ? 2 : 0) | (y < -FAR ? 4 : 0) | (y > height + FAR ? 8 : 0);
  /** @type {Point[]} */
  const found = [];
  let [lastX, lastY, lastSides] = [Infinity, Infinity, 0];
  for (let i = 0; i < ring.length; i++) {
    const [x, y] = [left + ring[i][0] * scale, top + ring[i][1] * scale];
    if (Math.abs(x - lastX) + Math.abs(y - lastY) < least) continue;
    const sides = beyond(x, y);
    const next = ring[(i + 1) % ring.length];
    if (lastSides & sides && lastSides & sides & beyond(left + next[0] * scale, top + next[1] * scale)) continue;
    [lastX, lastY, lastSides] = [x, y, sides];
    found.push([x, y]);
  }
  return found;
}

/**
 * Strokes the path with a dark and a light line under the coloured one.
 * @param {CanvasRenderingContext2D} context
 * @param {string} colour
 * @param {number} unit
 * @param {{width?: number, strong?: boolean, plain?: boolean}} [options] `width` of the coloured line in CSS pixels; `plain`: no other line, quickly.
 */
export function strokeWithHalo(context, colour, unit, {width = 2, strong = true, plain = false} = {}) {
  const {dark, light} = contrast();
  context.lineJoin = plain ? "bevel" : "round";
  const halos = plain ? [] : strong ? [[dark, 4], [light, 2]] : [[light, 2]];
  for (const [style, extra] of /** @type {[string, number][]} */ (halos)) {
    context.strokeStyle = style;
    context.lineWidth = (width + extra) * unit;
    context.stroke();
  }
  context.strokeStyle = colour;
  context.lineWidth = width * unit;
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point} at
 * @param {{radius: number, fill: string, line: string, unit: number, width?: number}} look Radius and width in CSS pixels.
 */
export function dot(context, [x, y], {radius, fill, line, unit, width = 1.5}) {
  context.beginPath();
  context.arc(x, y, radius * unit, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = width * unit;
  context.strokeStyle = line;
  context.stroke();
}

/**
 * The edge of a round pen; of one that erases, broken.
 * @param {CanvasRenderingContext2D} context
 * @param {Point} at
 * @param {{radius: number, erases: boolean, unit: number}} look Radius in the context's own pixels.
 */
export function penAt(context, [x, y], {radius, erases, unit}) {
  const {dark, light} = contrast();
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.setLineDash(erases ? [5 * unit, 4 * unit] : []);
  for (const [colour, width] of /** @type {const} */ ([[dark, 3], [light, 1.25]])) {
    context.strokeStyle = colour;
    context.lineWidth = width * unit;
    context.stroke();
  }
  context.setLineDash([]);
}

/**
 * Keypoints with the lines between them; hidden ones are hollow.
 * @param {CanvasRenderingContext2D} context
 * @param {(Keypoint & {at: Point} | null)[]} points
 * @param {[number, number][]} skeleton Pairs that count from 1.
 * @param {string} colour
 * @param {number} unit
 */
export function skeletonOf(context, points, skeleton, colour, unit) {
  const lines = skeleton.flatMap(([from, to]) => {
    const [one, other] = [points[from - 1], points[to - 1]];
    return one && other ? [[one.at, other.at]] : [];
  });
  path(context, lines, false);
  strokeWithHalo(context, colour, unit, {width: 1.5, strong: false});
  const {dark, light} = contrast();
  for (const point of points) {
    if (!point) continue;
    dot(context, point.at, {radius: 4, fill: light, line: dark, unit, width: 1});
    dot(context, point.at, {radius: 2.5, fill: point.visible === 1 ? light : colour, line: colour, unit, width: 1});
  }
}

/**
 * Words on a ground of the colour, with their left bottom at a place, as far as there is room.
 * @param {CanvasRenderingContext2D} context
 * @param {Point} at
 * @param {string} words
 * @param {string} colour
 * @param {number} unit
 */
export function label(context, [left, y], words, colour, unit) {
  const text = words.length > 40 ? `${words.slice(0, 39)}…` : words;
  context.font = `${12 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const [width, height] = [context.measureText(text).width + 8 * unit, 17 * unit];
  const x = Math.max(0, Math.min(left, context.canvas.width - width));
  // Above the shape, and where that is beyond the window, inside of it.
  const top = y - height < 0 ? y : y - height;
  context.fillStyle = "rgb(0 0 0 / 0.75)";
  context.fillRect(x, top, width, height);
  context.fillStyle = colour;
  context.fillRect(x, top, 3 * unit, height);
  context.fillStyle = "#fff";
  context.fillText(text, x + 5 * unit, top + height / 2);
}
