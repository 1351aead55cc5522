import assert from "node:assert/strict";
import test from "node:test";

import {encode} from "../../../cocoannot/web/static/geometry/rle.js";
import * as shapes from "../../../cocoannot/web/static/shapes/registry.js";

/** @import {Annotation} from "../../../cocoannot/web/static/types.js" */
/** @import {Handle} from "../../../cocoannot/web/static/shapes/types.js" */

const FRAME = {width: 100, height: 80};
const TRIANGLE = [10, 10, 30, 10, 10, 30.5];
const SQUARE = [50, 50, 60, 50, 60, 60, 50, 60];
const MASK = {size: [4, 5], counts: [5, 2, 13]};
const POINTS = [12, 12, 2, 20, 25, 1, 0, 0, 0];

/**
 * @param {object} fields
 * @returns {Annotation}
 */
const record = (fields) => /** @type {Annotation} */ ({id: 1, image_id: 1, category_id: 1, ...fields});

/** @type {(annotation: Annotation, kind: string, index: number) => Handle} */
const handle = (annotation, kind, index) => /** @type {Handle} */ (shapes.handles(annotation).find((each) => each.kind === kind && each.index === index));

for (const [kind, fields] of /** @type {[string | null, object][]} */ ([
  ["polygon", {segmentation: [TRIANGLE], bbox: [10, 10, 20, 20.5]}],
  ["mask", {segmentation: MASK, bbox: [1, 1, 1, 2]}],
  ["box", {segmentation: [], bbox: [1, 2, 3, 4]}],
  ["box", {bbox: [1, 2, 30, 40], keypoints: POINTS}],
  ["keypoints", {keypoints: POINTS}],
  ["keypoints", {segmentation: [], bbox: [12, 12, 8, 13], keypoints: POINTS}],
  ["box", {segmentation: null, bbox: [1, 2, 3, 4], keypoints: null}],
  ["caption", {caption: "two cats"}],
  [null, {}],
  [null, {segmentation: [], bbox: null, keypoints: []}],
])) {
  test(`${JSON.stringify(fields)} is ${kind ?? "no shape"}`, () => {
    assert.equal(shapes.kindOf(record(fields)), kind);
    assert.equal(shapes.fault(record(fields)), kind ? null : "it has no segmentation, box, keypoints or caption");
  });
}

for (const [why, fields] of /** @type {[RegExp, object][]} */ ([
  [/one flat list/, {segmentation: TRIANGLE}],
  [/nested/, {segmentation: [[TRIANGLE]]}],
  [/nested/, {segmentation: [[[10, 10], [20, 10], [10, 20]]]}],
  [/the polygon is an object/, {segmentation: [{x: 1}]}],
  [/the polygon is null/, {segmentation: [null]}],
  [/the polygon is text/, {segmentation: ["1,2,3,4,5,6"]}],
  [/polygon 2 has text where a number/, {segmentation: [TRIANGLE, [1, 2, "3", 4, 5, 6]]}],
  [/has null where a number/, {segmentation: [[1, 2, null, 4, 5, 6]]}],
  [/not finite \(NaN\)/, {segmentation: [[1, 2, NaN, 4, 5, 6]]}],
  [/not finite/, {segmentation: [[1, 2, Infinity, 4, 5, 6]]}],
  [/far too large/, {segmentation: [[1, 2, 1e300, 4, 5, 6]]}],
  [/odd number of coordinates \(7\)/, {segmentation: [[1, 2, 3, 4, 5, 6, 7]]}],
  [/fewer than three corners/, {segmentation: [[1, 2, 3, 4]]}],
  [/fewer than three corners/, {segmentation: [[]]}],
  [/the segmentation is text/, {segmentation: "polygon"}],
  [/the segmentation is a number/, {segmentation: 7, bbox: [1, 2, 3, 4]}],
  [/no size/, {segmentation: {}}],
  [/no counts/, {segmentation: {size: [4, 5]}}],
  [/no text of run lengths/, {segmentation: {size: [4, 5], counts: "~~~~~~~~~~~~"}}],
  [/for 4 pixels and its size for 20/, {segmentation: {size: [4, 5], counts: [4]}}],
  [/the box is text/, {bbox: "1 2 3 4"}],
  [/the box is an object/, {bbox: {x: 1}}],
  [/the box has text/, {bbox: ["1", "2", "3", "4"]}],
  [/the box has 3 numbers/, {bbox: [1, 2, 3]}],
  [/the box has null/, {bbox: [1, 2, null, 4]}],
  [/negative/, {bbox: [10, 10, -3, 4]}],
  [/keypoints is text/, {keypoints: "none"}],
  [/has 4 numbers/, {bbox: [1, 2, 3, 4], keypoints: [1, 2, 2, 4]}],
  [/v that is not/, {keypoints: [1, 2, 3]}],
  [/the caption is a number/, {caption: 7}],
])) {
  test(`${JSON.stringify(fields)} can't be drawn, and it is said why`, () => assert.match(String(shapes.fault(record(fields))), why));
}

test("a polygon is drawn though the box beside it, which follows from it, is malformed", () => {
  assert.equal(shapes.fault(record({segmentation: [TRIANGLE], bbox: "1 2 3 4"})), null);
});

test("an annotation with a box and keypoints draws both, and those that are not labelled are none", () => {
  const outline = shapes.draw(record({bbox: [10, 10, 20, 20], keypoints: POINTS}));
  assert.deepEqual(outline.rings, [[[10, 10], [30, 10], [30, 30], [10, 30]]]);
  assert.deepEqual(outline.keypoints, [{x: 12, y: 12, visible: 2}, {x: 20, y: 25, visible: 1}, null]);
});

test("a mask is hit by its pixels and not in all of its box", () => {
  const ring = record({segmentation: {size: [40, 40], counts: [0, 40, 39 * 40 - 40, 40]}});
  assert.equal(shapes.hit(ring, [0.5, 20], 1), true);
  assert.equal(shapes.hit(ring, [20, 20], 1), false);
});

test("a mask that is smaller than the reach is hit beside its pixels too", () => {
  assert.equal(shapes.hit(record({segmentation: MASK}), [2.5, 2], 4), true);
});

test("keypoints alone are hit, have bounds and can be moved; what is not labelled stays", () => {
  const points = record({keypoints: POINTS});
  assert.deepEqual(shapes.bounds(points), [12, 12, 20, 25]);
  assert.equal(shapes.hit(points, [15, 20], 0), true);
  assert.deepEqual(shapes.moved(points, 5, -2, FRAME), {keypoints: [17, 10, 2, 25, 23, 1, 0, 0, 0]});
});

test("keypoints move with their box, with their polygon and with their mask, by the same", () => {
  const moved = [22, 17, 2, 30, 30, 1, 0, 0, 0];
  assert.deepEqual(shapes.moved(record({bbox: [10, 10, 20, 20], keypoints: POINTS}), 10, 5, FRAME), {bbox: [20, 15, 20, 20], keypoints: moved});
  assert.deepEqual(shapes.moved(record({segmentation: [TRIANGLE], keypoints: POINTS}), 10, 5, FRAME).keypoints, moved);
  // The edge stops the box, and the points with it.
  assert.deepEqual(shapes.moved(record({bbox: [80, 10, 15, 20], keypoints: POINTS}), 10, 0, FRAME), {bbox: [85, 10, 15, 20], keypoints: [17, 12, 2, 25, 25, 1, 0, 0, 0]});
});

test("moving a mask by parts of a pixel moves it by whole ones, and keeps the form of its counts", () => {
  assert.deepEqual(shapes.moved(record({segmentation: MASK}), 1.4, 0.6, {width: 5, height: 4}), {segmentation: {size: [4, 5], counts: [10, 2, 8]}});
  assert.equal(typeof /** @type {any} */ (shapes.moved(record({segmentation: {size: [4, 5], counts: "52="}}), 1, 0, {width: 5, height: 4})).segmentation.counts, "string");
});

test("what is moved one way keeps the digits of the other", () => {
  const [x, y] = [37.5672506569324, 20.1234567890123];
  assert.deepEqual(shapes.moved(record({bbox: [x, 20, 30, 30]}), 0, 1, FRAME), {bbox: [x, 21, 30, 30]});
  assert.deepEqual(shapes.moved(record({segmentation: [[10, y, 30, 20, 20, 40]]}), 1, 0, FRAME), {segmentation: [[11, y, 31, 20, 21, 40]]});
});

test("dragging one edge of a box changes the numbers of that edge alone", () => {
  const box = record({bbox: [10.123456, 20.987654, 30.5, 40.25]});
  assert.deepEqual(shapes.reshaped(box, handle(box, "edge", 1), [50.1234, 0], FRAME).bbox, [10.123456, 20.987654, 39.996544, 40.25]);
  assert.deepEqual(shapes.reshaped(box, handle(box, "edge", 0), [0, 15], FRAME).bbox, [10.123456, 15, 30.5, 46.237654]);
  assert.deepEqual(shapes.reshaped(box, handle(box, "corner", 2), [50, 70], FRAME).bbox, [10.123456, 20.987654, 39.876544, 49.012346]);
  const long = {...box, bbox: [37.5672506569324, 20, 14.9, 30]};
  assert.deepEqual(shapes.reshaped(long, handle(long, "corner", 1), [60, 10], FRAME).bbox?.[0], 37.5672506569324);
});

test("dragging an edge of a box over the other one turns it over", () => {
  const box = record({bbox: [10, 20, 30, 40]});
  assert.deepEqual(shapes.reshaped(box, handle(box, "edge", 3), [60, 0], FRAME).bbox, [40, 20, 20, 40]);
});

test("dragging one edge leaves another one that is beyond the picture where it is", () => {
  const box = record({bbox: [-5, 20, 30, 90]});
  assert.deepEqual(shapes.reshaped(box, handle(box, "edge", 1), [30, 0], FRAME).bbox, [-5, 20, 35, 90]);
});

test("a corner of a polygon is moved, one is added in the middle of an edge, and others keep their numbers", () => {
  const polygon = record({segmentation: [TRIANGLE, SQUARE]});
  assert.deepEqual(shapes.reshaped(polygon, handle(polygon, "vertex", 1), [35.678, 12], FRAME).segmentation, [[10, 10, 35.68, 12, 10, 30.5], SQUARE]);
  assert.deepEqual(shapes.reshaped(polygon, handle(polygon, "middle", 2), [5, 20], FRAME).segmentation, [[10, 10, 30, 10, 10, 30.5, 5, 20], SQUARE]);
});

test("a corner of a polygon can be removed while three stay; then the part goes, and the last part stays", () => {
  const square = record({segmentation: [SQUARE]});
  assert.deepEqual(shapes.withoutHandle(square, handle(square, "vertex", 0)), {segmentation: [SQUARE.slice(2)]});
  const parts = record({segmentation: [TRIANGLE, SQUARE]});
  assert.deepEqual(shapes.withoutHandle(parts, handle(parts, "vertex", 1)), {segmentation: [SQUARE]});
  const triangle = record({segmentation: [TRIANGLE]});
  assert.equal(shapes.withoutHandle(triangle, handle(triangle, "vertex", 1)), null);
  assert.equal(shapes.withoutHandle(square, handle(square, "middle", 1)), null);
});

test("a keypoint is dragged alone", () => {
  const both = record({bbox: [10, 10, 20, 20], keypoints: POINTS});
  assert.deepEqual(shapes.reshaped(both, handle(both, "keypoint", 1), [21, 26], FRAME), {keypoints: [12, 12, 2, 21, 26, 1, 0, 0, 0]});
});

test("middles of short edges give way to the corners", () => {
  const polygon = record({segmentation: [SQUARE]});
  assert.equal(shapes.handlesAt(polygon, 1).length, 4);
  assert.equal(shapes.handlesAt(polygon, 4).length, 8);
});

test("the nearest handle is taken, and a small shape keeps ground to be dragged by", () => {
  const box = record({bbox: [10, 10, 40, 40]});
  assert.equal(shapes.handleAt(box, [12, 11], 8, 1)?.kind, "corner");
  assert.equal(shapes.handleAt(box, [30, 30], 8, 1), null);
  const small = record({bbox: [10, 10, 12, 12]});
  assert.equal(shapes.handleAt(small, [16, 16], 8, 1), null);
  assert.equal(shapes.handleAt(small, [9, 9], 8, 1)?.index, 0);
});

test("areas are those of the shapes", () => {
  assert.equal(shapes.area(record({segmentation: [SQUARE]})), 100);
  assert.equal(shapes.area(record({segmentation: MASK})), 2);
  assert.equal(shapes.area(record({bbox: [1, 2, 3, 4]})), 12);
  assert.equal(shapes.area(record({keypoints: POINTS})), 8 * 13);
});

test("what a hand made too small is named; what was small before is not", () => {
  assert.match(String(shapes.flaw({bbox: [1, 1, 0.5, 10]}, record({bbox: [1, 1, 4, 10]}))), /one pixel/);
  assert.equal(shapes.flaw({bbox: [1, 1, 0.5, 10]}, record({bbox: [1, 1, 0.5, 4]})), null);
  assert.match(String(shapes.flaw({segmentation: [[1, 1, 2, 2, 3, 3]]}, record({segmentation: [TRIANGLE]}))), /three corners/);
  const thin = [1, 1, 2, 2, 3, 3];
  assert.equal(shapes.flaw({segmentation: [thin, SQUARE]}, record({segmentation: [thin, TRIANGLE]})), null);
});

test("a mask that comes back from the server is not read again, and another one is never taken for it", () => {
  const mask = (/** @type {string} */ counts, size = [4, 5]) => record({segmentation: {size, counts}});
  const [drawn, answered, other, turned] = [mask("52="), mask("52="), mask("5:5"), mask("52=", [5, 4])];
  assert.equal(shapes.draw(drawn).mask?.runs, shapes.draw(answered).mask?.runs);
  assert.notDeepEqual(shapes.bounds(drawn), shapes.bounds(other));
  assert.notDeepEqual(shapes.bounds(drawn), shapes.bounds(turned));
  // Many others later it is still itself.
  for (let top = 0; top < 40; top++) shapes.bounds(mask(encode([top, 1, 49 - top]), [50, 1]));
  assert.deepEqual(shapes.bounds(answered), shapes.bounds(mask("52=")));
});
