import assert from "node:assert/strict";
import test from "node:test";
import {edgesOf} from "../../../cocoannot/web/static/geometry/edges.js";
import {fewer, snapped, Wire} from "../../../cocoannot/web/static/geometry/live_wire.js";

/** @import {Point} from "../../../cocoannot/web/static/types.js" */

/**
 * A picture: `inside(x, y)` says what share of a pixel the object has.
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => number} inside
 * @param {{object?: number[], ground?: number[], noise?: number}} [looks]
 */
function picture(width, height, inside, {object = [200, 60, 40], ground = [60, 110, 90], noise = 0} = {}) {
  const colours = new Uint8ClampedArray(4 * width * height);
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let i = 0; i < width * height; i++) {
    const share = inside(i % width, Math.floor(i / width));
    for (const channel of [0, 1, 2]) {
      colours[4 * i + channel] = share * object[channel] + (1 - share) * ground[channel] + noise * (random() + random() - 1);
    }
    colours[4 * i + 3] = 255;
  }
  return edgesOf(colours, width, height);
}

const CIRCLE = {x: 100, y: 90, radius: 60};
/** How much of a pixel is in the circle, by 16 points in it. @type {(x: number, y: number) => number} */
function inCircle(x, y) {
  let count = 0;
  for (let i = 0; i < 16; i++) count += Number(Math.hypot(x + (i % 4) / 4 + 1 / 8 - CIRCLE.x, y + Math.floor(i / 4) / 4 + 1 / 8 - CIRCLE.y) <= CIRCLE.radius);
  return count / 16;
}

/** How far the points of a line are from the circle, at most. @param {Point[]} line */
const offCircle = (line) => Math.max(...line.map(([x, y]) => Math.abs(Math.hypot(x - CIRCLE.x, y - CIRCLE.y) - CIRCLE.radius)));

/** @param {number} degrees @returns {[number, number]} The pixel on the circle there. */
const onCircle = (degrees) => [Math.floor(CIRCLE.x + CIRCLE.radius * Math.cos((degrees * Math.PI) / 180)), Math.floor(CIRCLE.y + CIRCLE.radius * Math.sin((degrees * Math.PI) / 180))];

for (const noise of [0, 12]) {
  test(`between two points on a circle the way follows the circle (noise ${noise})`, () => {
    const edges = picture(200, 180, inCircle, {noise});
    for (const from of [0, 77, 200]) {
      const wire = new Wire(edges, ...onCircle(from));
      const way = wire.to(...onCircle(from + 120));
      assert.ok(offCircle(way) <= (noise ? 1.6 : 0.8), `${offCircle(way)}`);
      // It does not cut the corner: a third of the circle is 126 pixels long.
      assert.ok(way.length > 80, `${way.length}`);
      assert.ok(offCircle(fewer(way, 0.5)) <= (noise ? 1.8 : 1));
    }
  });
}

test("a straight edge is met to a hundredth of a pixel", () => {
  const edges = picture(80, 60, (x) => Number(x >= 31));
  const way = new Wire(edges, 30, 5).to(31, 50);
  for (const [x] of way) assert.ok(Math.abs(x - 31) < 0.01, `${x}`);
});

test("an edge between colours of the same grey is followed too", () => {
  const edges = picture(200, 180, inCircle, {object: [200, 100, 100], ground: [100, 151, 100]});
  assert.ok(offCircle(new Wire(edges, ...onCircle(10)).to(...onCircle(120))) <= 1);
});

test("where there is no edge the way is straight", () => {
  const edges = picture(50, 50, () => 0);
  const way = new Wire(edges, 5, 5).to(35, 5);
  assert.equal(way.length, 31);
  assert.ok(way.every(([, y]) => y === 5.5));
});

test("of a way that was found, other ends are found without beginning again", () => {
  const edges = picture(200, 180, inCircle);
  const wire = new Wire(edges, ...onCircle(0));
  wire.to(...onCircle(170));
  assert.deepEqual(wire.to(...onCircle(60)), new Wire(edges, ...onCircle(0)).to(...onCircle(60)));
  assert.deepEqual(wire.to(...onCircle(0)).length, 1);
});

test("a point beside an edge goes to it, one far from any stays", () => {
  const edges = picture(80, 60, (x) => Number(x >= 31));
  assert.ok([30, 31].includes(snapped(edges, [36.2, 20.7], 8)[0]));
  assert.equal(snapped(edges, [36.2, 20.7], 8)[1], 20);
  assert.deepEqual(snapped(edges, [60.5, 20.5], 8), [60, 20]);
  // Beyond the picture is its border.
  assert.deepEqual(snapped(edges, [-5, 200], 3), [0, 59]);
});

test("a line with fewer points stays within the tolerance and keeps its ends", () => {
  /** @type {Point[]} */
  const line = Array.from({length: 100}, (_, i) => [i, 10 * Math.sin(i / 15)]);
  const kept = fewer(line, 0.5);
  assert.ok(kept.length < 20);
  assert.deepEqual([kept[0], kept.at(-1)], [line[0], line[99]]);
  assert.deepEqual(fewer([[0, 0], [1, 0], [2, 0], [3, 0]], 0.1), [[0, 0], [3, 0]]);
  assert.deepEqual(fewer([[0, 0], [1, 5]], 9), [[0, 0], [1, 5]]);
});

test("pictures of one pixel, of one row and of none have no edges", () => {
  for (const [width, height] of [[1, 1], [9, 1], [1, 9], [2, 2]]) {
    const edges = picture(width, height, (x) => x % 2);
    assert.equal(new Wire(edges, 0, 0).to(width - 1, height - 1).length, Math.max(width, height));
  }
});
