import assert from "node:assert/strict";
import test from "node:test";
import {EdgeWindow} from "../../../cocoannot/web/static/assist/edge_window.js";

/** @import {Point} from "../../../cocoannot/web/static/types.js" */

/** A large picture whose left part, up to x = 1700, is dark; and which parts of it were looked at. */
function large() {
  /** @type {number[][]} */
  const looked = [];
  const colours = (/** @type {number} */ left, /** @type {number} */ top, /** @type {number} */ width, /** @type {number} */ height) => {
    looked.push([left, top, width, height]);
    return Uint8ClampedArray.from({length: 4 * width * height}, (_, i) => (left + (Math.floor(i / 4) % width) < 1700 ? 40 : 200));
  };
  return {window: new EdgeWindow({width: 4000, height: 3000, colours}), looked};
}

test("only the part around the points is looked at, and again only far from there", () => {
  const {window, looked} = large();
  assert.deepEqual(window.answer({from: null, to: [1704.2, 1500.3], reach: 8}).at, [1700, 1500.5]);
  const {at, way} = window.answer({from: [1700, 1500.5], to: [1703, 1800], reach: 8});
  assert.deepEqual(at, [1700, 1800.5]);
  assert.deepEqual(way, [[1700, 1500.5], [1700, 1800.5]]);
  assert.deepEqual(looked, [[1104, 900, 1200, 1200]]);
  window.answer({from: [1700, 1800.5], to: [1700, 2350.5], reach: 8});
  assert.equal(looked.length, 2);
});

test("a way that is longer than the part goes straight on from its edge", () => {
  const {window} = large();
  const {way} = window.answer({from: [1700, 1000], to: [1700, 2500], reach: 4});
  assert.deepEqual(way[0], [1700, 1000]);
  assert.deepEqual(way.at(-1)?.[0], 1700);
  assert.ok(way.every(([x]) => Math.abs(x - 1700) <= 1));
});

test("at the picture's corners there is a part too", () => {
  const {window, looked} = large();
  for (const to of /** @type {Point[]} */ ([[0, 0], [4000, 3000], [4000, 0]])) {
    assert.deepEqual(window.answer({from: null, to, reach: 8}).at, to);
  }
  assert.deepEqual(looked, [[0, 0, 600, 600], [3400, 2400, 600, 600], [3400, 0, 600, 600]]);
});

test("where no edge is near, a point is where it was clicked", () => {
  const {window} = large();
  assert.deepEqual(window.answer({from: null, to: [1500.25, 800.75], reach: 20}).at, [1500.25, 800.75]);
});
