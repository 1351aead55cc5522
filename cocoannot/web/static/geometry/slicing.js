// Cutting along a drawn line. The line is made longer until it cuts the plane in two; where the longer part of it has cut
// through a piece, the piece is put together again, for nobody has drawn that.

/** @import {Point} from "../types.js" */

/** Between two places at which a longer part of the line is looked at, and how far beside it; in pixels. */
const STEP = 0.5;
const BESIDE = 0.75;

/**
 * A ring around all that lies on one side of the line, and places along what the line was made longer by: at each two
 * points, on both sides of it.
 * @param {Point[]} line
 * @param {[height: number, width: number]} size Of the picture.
 */
export function sidesOf(line, [height, width]) {
  if (line.length < 2) throw new RangeError("a line needs two points");
  const far = height + width + Math.max(...line.flat().map(Math.abs));
  const [start, end] = [line[0], /** @type {Point} */ (line.at(-1))];
  const first = beyond(line[1], start, far);
  const last = beyond(/** @type {Point} */ (line.at(-2)), end, far);
  const side = [first, ...line, last, ...arc(last, first, [width / 2, height / 2], far)];
  const near = (/** @type {Point} */ [x, y]) => x >= 0 && y >= 0 && x <= width && y <= height;
  return {side, extensions: [...places(start, first), ...places(end, last)].filter((both) => both.some(near)).flat()};
}

/** The point on the way from one point through another, so far behind that. @param {Point} from @param {Point} through @param {number} far @returns {Point} */
function beyond([fromX, fromY], [x, y], far) {
  const length = Math.hypot(x - fromX, y - fromY) || 1;
  return [x + ((x - fromX) / length) * far, y + ((y - fromY) / length) * far];
}

/**
 * Points around all there is, from one that is far away to another one.
 * @param {Point} from
 * @param {Point} to
 * @param {Point} center
 * @param {number} far
 * @returns {Point[]}
 */
function arc(from, to, [x, y], far) {
  const begin = Math.atan2(from[1] - y, from[0] - x);
  const turn = (((Math.atan2(to[1] - y, to[0] - x) - begin) % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI);
  const steps = 16;
  return Array.from({length: steps - 1}, (_, i) => {
    const angle = begin + (turn * (i + 1)) / steps;
    return [x + 2 * far * Math.cos(angle), y + 2 * far * Math.sin(angle)];
  });
}

/**
 * @param {Point} from
 * @param {Point} to
 * @returns {[Point, Point][]}
 */
function places([x, y], [toX, toY]) {
  const length = Math.hypot(toX - x, toY - y);
  const [dx, dy] = [(toX - x) / length, (toY - y) / length];
  return Array.from({length: Math.ceil(length / STEP)}, (_, i) => {
    const [atX, atY] = [x + dx * (i + 1) * STEP, y + dy * (i + 1) * STEP];
    return [[atX - dy * BESIDE, atY + dx * BESIDE], [atX + dy * BESIDE, atY - dx * BESIDE]];
  });
}

/**
 * The pieces, with those put together that only lie apart because the line was made longer.
 * @template Piece
 * @param {Piece[]} pieces
 * @param {Point[]} extensions Two points for each place.
 * @param {(piece: Piece, point: Point) => boolean} holds
 * @param {(one: Piece, other: Piece) => Piece} union
 */
export function united(pieces, extensions, holds, union) {
  const left = [...pieces];
  const at = (/** @type {Point} */ point) => left.findIndex((piece) => holds(piece, point));
  for (let i = 0; i < extensions.length && left.length > 1; i += 2) {
    const [one, other] = [at(extensions[i]), at(extensions[i + 1])];
    if (one < 0 || other < 0 || one === other) continue;
    left[one] = union(left[one], left[other]);
    left.splice(other, 1);
  }
  return left;
}
