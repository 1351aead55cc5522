import assert from "node:assert/strict";
import test from "node:test";

import {Copies} from "../../../cocoannot/web/static/tools/copies.js";
import {decode} from "../../../cocoannot/web/static/geometry/rle.js";
import {hand} from "./hand.js";

const BOX = {bbox: [10, 20, 40, 30], segmentation: [], area: 1200, score: 0.5, attributes: {colour: "red", parts: [1, 2]}};
const SQUARE = {category_id: 2, segmentation: [[50, 10, 90, 10, 90, 50, 50, 50]], bbox: [50, 10, 40, 40], area: 1600, iscrowd: 1};
const POINTS = {category_id: 3, keypoints: [20, 20, 2, 0, 0, 0, 25, 60, 1], num_keypoints: 2, bbox: [20, 20, 5, 40], segmentation: [], area: 200};
const CAPTION = {category_id: undefined, caption: "two cats", iscrowd: undefined};
const ELSEWHERE = new URLSearchParams();

/** @param {...object} records */
async function copying(...records) {
  const it = await hand(...records);
  const copies = new Copies({session: it.session, view: it.view});
  // It looks at what comes from now on.
  await it.session.open(2, ELSEWHERE);
  await it.session.open(1, ELSEWHERE);
  const point = (/** @type {number} */ x, /** @type {number} */ y) => copies.point({kind: "move", x, y, button: 0, shift: false, ctrl: false, alt: false, touch: false, reach: 8, dragged: false, scale: 1});
  return {it, copies, point};
}

/** @param {object} record */
const withoutIds = ({...record}) => {
  for (const name of ["id", "image_id"]) Reflect.deleteProperty(record, name);
  return record;
};

test("pasted on another image, copies are at the same place with every field, as one change", async () => {
  const {it, copies} = await copying(BOX, SQUARE, POINTS, CAPTION);
  it.session.select(it.session.entries.keys());
  copies.copy();
  await it.session.open(2, ELSEWHERE);
  copies.paste();
  await it.settled();
  assert.equal(it.server.changeCalls.length, 1);
  assert.equal(it.session.selection.size, 4);
  for (const [i, id] of [100, 101, 102, 103].entries()) {
    assert.equal(it.stored(id).image_id, 2);
    assert.deepEqual(withoutIds(it.stored(id)), withoutIds(it.stored(i + 1)));
  }
});

test("pasted on the same image, the middle of the group is at the pointer, as far as the picture goes", async () => {
  const {it, copies, point} = await copying(BOX, {...BOX, bbox: [30, 30, 10, 10]});
  it.session.select(["1", "2"]);
  copies.copy();
  point(40, 40);
  copies.paste();
  assert.deepEqual(it.records.map(({bbox}) => bbox), [[10, 20, 40, 30], [30, 30, 10, 10], [20, 25, 40, 30], [40, 35, 10, 10]]);
  point(99, 79);
  copies.paste();
  assert.deepEqual(it.records.slice(4).map(({bbox}) => bbox), [[60, 50, 40, 30], [80, 60, 10, 10]]);
  await it.settled();
});

test("a duplicate lies a little aside, also where there is no room to the right and below", async () => {
  const {it, copies} = await copying(POINTS, {...BOX, bbox: [60, 50, 40, 30]});
  it.session.select(["1"]);
  copies.duplicate();
  await it.settled();
  assert.deepEqual(it.stored(100).keypoints, [30, 30, 2, 0, 0, 0, 35, 70, 1]);
  // Both are left to the server, which follows the points.
  assert.equal("bbox" in it.stored(100) || "area" in it.stored(100), false);
  it.session.select(["2"]);
  copies.duplicate();
  assert.deepEqual(it.records.at(-1)?.bbox, [50, 40, 40, 30]);
  assert.equal(it.session.tool, "select");
  await it.settled();
});

test("the shapes of the image before come as a selected group, without captions, and one undo takes them back", async () => {
  const {it, copies} = await copying(BOX, SQUARE, CAPTION);
  copies.repeat();
  assert.match(it.said[0], /The image before had no shapes/);
  await it.session.open(2, ELSEWHERE);
  copies.repeat();
  assert.equal(it.session.selection.size, 2);
  it.drag([30, 30], [35, 30]);
  assert.deepEqual(it.records[0].bbox, [15, 20, 40, 30]);
  assert.deepEqual(it.records[1].segmentation, [[55, 10, 95, 10, 95, 50, 55, 50]]);
  await it.session.undo();
  await it.session.undo();
  await it.settled();
  assert.equal([...it.server.annotations.keys()].filter((id) => id >= 100).length, 0);
});

test("what was drawn on the image before and is not answered yet is repeated too", async () => {
  const {it, copies} = await copying(BOX);
  const answer = it.server.keepBack();
  it.session.add({bbox: [1, 2, 3, 4]});
  const opened = it.session.open(2, ELSEWHERE);
  answer();
  await opened;
  copies.repeat();
  assert.deepEqual(it.records.map(({bbox}) => bbox), [[10, 20, 40, 30], [1, 2, 3, 4]]);
  await it.settled();
});

test("on a smaller picture masks are cut, and what would lie beside it is left out with words", async () => {
  // A column at 95, and one at 30, from the row 10 to the row 69.
  const mask = (/** @type {number} */ column) => ({segmentation: {size: [80, 100], counts: [column * 80 + 10, 60, (99 - column) * 80 + 10]}, bbox: [column, 10, 1, 60], area: 60});
  const {it, copies} = await copying(mask(95), mask(30), SQUARE);
  it.server.images[1] = {id: 2, file_name: "small.png", width: 60, height: 40};
  await it.session.open(2, ELSEWHERE);
  copies.repeat();
  assert.match(it.said.at(-1) ?? "", /1 annotation left out/);
  const [cut, reaching] = it.records;
  const segmentation = /** @type {import("../../../cocoannot/web/static/types.js").Rle} */ (cut.segmentation);
  assert.deepEqual(segmentation.size, [40, 60]);
  assert.deepEqual(decode(segmentation), [30 * 40 + 10, 30, 29 * 40]);
  assert.deepEqual(reaching.segmentation, SQUARE.segmentation);
  await it.settled();
});

test("nothing is pasted by somebody who may only look", async () => {
  const {it, copies} = await copying(BOX);
  it.session.select(["1"]);
  copies.copy();
  it.mayEdit = false;
  copies.paste();
  copies.duplicate();
  assert.equal(it.records.length, 1);
});
