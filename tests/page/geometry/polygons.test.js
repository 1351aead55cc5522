import assert from "node:assert/strict";
import test from "node:test";

import {frameOf, inside, rounded, shift, tidy} from "../../../cocoannot/web/static/geometry/placing.js";
import {area, bounds, contains, nearestEdge, nearestOnSegment, pointsOf, withoutRepeats} from "../../../cocoannot/web/static/geometry/polygons.js";

/** @import {Point} from "../../../cocoannot/web/static/types.js" */

/** @type {Point[]} */
const L = [[0, 0], [10, 0], [10, 4], [4, 4], [4, 10], [0, 10]];

test("the area of a ring is that of the shoelace formula, whichever way it goes round", () => {
  assert.equal(area(L), 64);
  assert.equal(area([...L].reverse()), 64);
  assert.equal(area([[1, 1], [2, 2]]), 0);
});

test("a small ring far from the corner keeps the digits of its area", () => {
  assert.equal(area([[100_000.1, 100_000.1], [100_001.1, 100_000.1], [100_001.1, 100_001.1]]).toFixed(9), "0.500000000");
});

test("bounds are those of the points, and null where there is none", () => {
  assert.deepEqual(bounds(L), [0, 0, 10, 10]);
  assert.equal(bounds([]), null);
});

test("a point is inside where it is, also in the bay of a ring that has one", () => {
  assert.equal(contains(L, [2, 8]), true);
  assert.equal(contains(L, [8, 2]), true);
  assert.equal(contains(L, [8, 8]), false);
});

test("the nearest point of a line is on it, also beyond its ends and where it has no length", () => {
  assert.deepEqual(nearestOnSegment([5, 3], [0, 0], [10, 0]), [5, 0]);
  assert.deepEqual(nearestOnSegment([-5, 3], [0, 0], [10, 0]), [0, 0]);
  assert.deepEqual(nearestOnSegment([5, 3], [1, 1], [1, 1]), [1, 1]);
});

test("the nearest edge may be the one from the last corner to the first", () => {
  assert.deepEqual(nearestEdge(L, [-1, 5]), {edge: 5, at: [0, 5], distance: 1});
});

test("a flat list is read in pairs, and corners in the same place are one", () => {
  assert.deepEqual(pointsOf([1, 2, 3, 4]), [[1, 2], [3, 4]]);
  assert.deepEqual(withoutRepeats([[1, 1], [1, 1], [2, 2], [1, 1]]), [[2, 2], [1, 1]]);
});

test("what a hand makes is rounded to hundredths and kept in the picture", () => {
  assert.deepEqual(inside([1.23456, -4], {width: 10, height: 10}), [1.23, 0]);
  assert.deepEqual(inside([12, 9.999], {width: 10, height: 10}), [10, 10]);
  assert.equal(rounded(1.005 + 0.001), 1.01);
  assert.equal(tidy(0.1 + 0.2), 0.3);
});

test("an image without a usable size has no edges", () => {
  assert.deepEqual(frameOf({width: "640", height: 0}), {width: Infinity, height: Infinity});
  assert.deepEqual(frameOf({width: 640, height: 480}), {width: 640, height: 480});
});

test("a move ends at the picture's edge", () => {
  const frame = {width: 100, height: 50};
  assert.deepEqual(shift([10, 10, 20, 20], -30, 45, frame), [-10, 30]);
  assert.deepEqual(shift([10, 10, 20, 20], 5.123, -2, frame), [5.12, -2]);
});

test("what is beyond the edge already is not pulled in by a move, and not pushed farther out", () => {
  const frame = {width: 100, height: 50};
  assert.deepEqual(shift([-5, 10, 20, 20], 0, 3, frame), [0, 3]);
  assert.deepEqual(shift([-5, 10, 20, 20], -10, 0, frame), [0, 0]);
  assert.deepEqual(shift([-5, 10, 20, 20], 7, 0, frame), [7, 0]);
  assert.deepEqual(shift([90, 10, 120, 20], 7, 0, frame), [0, 0]);
});
