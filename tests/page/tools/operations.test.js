// Joins, cuts and the like on the session, with their results in the server; how exact they are, `test_page_geometry.py` says.

import assert from "node:assert/strict";
import test from "node:test";

import {areas, Operations, worked} from "../../../cocoannot/web/static/tools/operations.js";
import {area as areaOf, pointsOf} from "../../../cocoannot/web/static/geometry/polygons.js";
import * as rle from "../../../cocoannot/web/static/geometry/rle.js";
import {until} from "../until.js";
import {hand} from "./hand.js";

/** @typedef {Awaited<ReturnType<typeof hand>>} Hand */

const SQUARE = {segmentation: [[10, 10, 50, 10, 50, 50, 10, 50]], bbox: [10, 10, 40, 40], area: 1600, score: "0.50"};
const BESIDE = {segmentation: [[40, 20, 70, 20, 70, 40, 40, 40]], bbox: [40, 20, 30, 20], area: 600, category_id: 2};
const INSIDE = {segmentation: [[20, 20, 30, 20, 30, 30, 20, 30]], bbox: [20, 20, 10, 10], area: 100};
const BOX = {bbox: [40, 20, 30, 20], segmentation: [], area: 600};
const FAR = {segmentation: [[80, 60, 90, 60, 90, 70]], bbox: [80, 60, 10, 10], area: 50};

/** @param {...object} records */
async function selected(...records) {
  const it = await hand(...records);
  it.session.select(records.map((_, i) => String(i + 1)));
  const view = {draft() {}, preview() {}, crosshair() {}, done() {}, say: (/** @type {string} */ message) => void it.said.push(message)};
  return {it, operations: new Operations({session: it.session, view})};
}

/** @param {any} annotation */
const pixels = ({segmentation}) => rle.area(rle.decode(segmentation));
/** @param {number[][]} parts */
const area = (parts) => parts.reduce((sum, flat) => sum + areaOf(pointsOf(flat)), 0);

test("a join leaves the one that was selected first, with its fields, and one undo brings all back", async () => {
  const {it, operations} = await selected(SQUARE, BESIDE);
  await operations.join();
  await it.settled();
  assert.equal(it.records.length, 1);
  assert.equal(it.server.changeCalls.length, 1);
  assert.equal(it.stored(1).score, "0.50");
  assert.equal(it.stored(1).category_id, 1);
  assert.equal(it.server.annotations.has(2), false);
  await it.session.undo();
  await until(() => it.records.length === 2, "both are back");
  assert.deepEqual(it.record("1").segmentation, SQUARE.segmentation);
});

test("shapes that do not touch become the parts of one annotation, as they were", async () => {
  const {it, operations} = await selected(SQUARE, FAR);
  await operations.join();
  assert.deepEqual(it.record("1").segmentation, [...SQUARE.segmentation, ...FAR.segmentation]);
  await it.settled();
});

test("what is subtracted stays, and the first one lacks it", async () => {
  const {it, operations} = await selected(SQUARE, BESIDE);
  await operations.subtract();
  assert.equal(area(/** @type {number[][]} */ (it.record("1").segmentation)), 1600 - 200);
  assert.deepEqual(it.record("2").segmentation, BESIDE.segmentation);
  await it.settled();
});

test("a polygon with a hole becomes a mask", async () => {
  const {it, operations} = await selected(SQUARE, INSIDE);
  await operations.subtract();
  assert.equal(pixels(it.record("1")), 1500);
  await it.settled();
});

test("nothing is changed where nothing overlaps, or nothing would be left", async () => {
  for (const [records, words] of /** @type {[object[], RegExp][]} */ ([[[SQUARE, FAR], /do not overlap/], [[INSIDE, SQUARE], /Nothing would be left/]])) {
    const {it, operations} = await selected(...records);
    await operations.subtract();
    assert.match(it.said.join(), words);
    assert.deepEqual(it.server.changeCalls, []);
  }
});

test("a box takes part as its corners, and what is shared is kept", async () => {
  const {it, operations} = await selected(SQUARE, BOX);
  await operations.intersect();
  assert.equal(area(/** @type {number[][]} */ (it.record("1").segmentation)), 200);
  await it.settled();
});

test("boxes, polygons and masks become one another, all that are selected as one change", async () => {
  const {it, operations} = await selected(SQUARE, BOX);
  await operations.toMasks();
  assert.deepEqual([pixels(it.record("1")), pixels(it.record("2"))], [1600, 600]);
  await operations.toPolygons();
  assert.ok(Math.abs(area(/** @type {number[][]} */ (it.record("2").segmentation)) - 600) < 6);
  operations.toBoxes();
  assert.deepEqual(it.record("1").bbox, [10, 10, 40, 40]);
  assert.deepEqual(it.record("1").segmentation, []);
  await it.settled();
  assert.equal(it.server.changeCalls.length, 3);
});

test("a mask with a hole stays one, and it is said what to do", async () => {
  const {it, operations} = await selected(SQUARE, INSIDE);
  await operations.subtract();
  await operations.toPolygons();
  assert.match(it.said.join(), /has holes/);
  assert.equal(pixels(it.record("1")), 1500);
  await it.settled();
});

// The box of a mask is known with the answer only.
for (const [what, segmentation, bbox] of /** @type {[string, any, number[]][]} */ ([
  ["polygon", FAR.segmentation, FAR.bbox],
  ["mask", {size: [80, 100], counts: rle.encode([5 * 80 + 6, 30, 80 * 95 - 36])}, [5, 6, 1, 30]],
])) {
  test(`the answer to one's own change of a ${what} does not get in the way of what is done next`, async () => {
    const {it} = await selected(SQUARE);
    it.session.update("1", {segmentation});
    const before = it.record("1");
    const answered = async () => {
      await it.settled();
      return "found";
    };
    assert.equal(await worked({session: it.session, view: it.view}, areas(it.session), answered), "found");
    assert.notEqual(it.record("1"), before);
    assert.deepEqual(it.record("1").bbox, bbox);
    assert.deepEqual(it.said, []);
  });
}

test("what was changed by somebody else meanwhile stays as they made it", async () => {
  const {it, operations} = await selected(SQUARE, BESIDE);
  const joined = operations.join();
  it.session.update("1", {segmentation: FAR.segmentation});
  await joined;
  assert.match(it.said.join(), /changed meanwhile/);
  assert.equal(it.records.length, 2);
  await it.settled();
});

test("what is locked takes no part", async () => {
  const {it, operations} = await selected(SQUARE, BESIDE);
  it.session.visibility.toggleLocked("2");
  await operations.join();
  assert.equal(operations.count, 1);
  assert.equal(it.records.length, 2);
});

// Cutting

test("a drag cuts the selected shape in two: the larger piece keeps the record, the other one its fields", async () => {
  const it = await hand({...SQUARE, keypoints: [20, 20, 2, 0, 0, 0], num_keypoints: 1});
  it.take("cut", "1");
  it.drag([40, 0], [40, 60]);
  await until(() => it.records.length === 2, "there are two");
  await it.settled();
  assert.equal(it.server.changeCalls.length, 1);
  assert.equal(area(it.stored(1).segmentation), 1200);
  const other = it.stored(100);
  assert.equal(area(other.segmentation), 400);
  assert.deepEqual([other.score, other.category_id, other.keypoints], ["0.50", 1, undefined]);
  assert.deepEqual([...it.session.selection].length, 2);
  assert.equal(it.done, 1);
});

test("points one after another cut too, and the keys do; a line that does not go across cuts nothing", async () => {
  const it = await hand(SQUARE);
  it.take("cut", "1");
  it.click(0, 30);
  it.click(30, 30);
  it.press("Enter");
  await until(() => it.said.length > 0, "it is said");
  assert.match(it.said.join(), /across/);
  it.take("cut");
  for (let i = 0; i < 4; i++) it.press("ArrowUp", {shift: true});
  it.press("ArrowLeft", {shift: true});
  assert.equal(it.press("Enter"), true);
  for (let i = 0; i < 8; i++) it.press("ArrowDown", {shift: true});
  it.press("Enter");
  it.press("Enter");
  await until(() => it.records.length === 2, "there are two");
  await it.settled();
});

test("a line in the making is given up point by point, or at once", async () => {
  const it = await hand(SQUARE);
  it.take("cut", "1");
  it.click(0, 30);
  it.click(60, 30);
  assert.equal(it.tool.undo(), true);
  assert.equal(it.draft?.handles.length, 1);
  assert.equal(it.press("Escape"), true);
  assert.equal(it.tool.busy(), false);
  assert.equal(it.press("Escape"), false);
});

test("a mask is cut into masks", async () => {
  const {it, operations} = await selected(SQUARE);
  await operations.toMasks();
  it.take("cut", "1");
  it.drag([20, 0], [20, 60]);
  await until(() => it.records.length === 2, "there are two");
  assert.deepEqual(it.records.map(pixels), [1200, 400]);
  await it.settled();
});

// Parts and corners

test("a click removes the part that is lit, a corner before it, and the last part stays", async () => {
  const it = await hand({segmentation: [...SQUARE.segmentation, ...FAR.segmentation]});
  it.take("remove", "1");
  it.point("move", 88, 63, {reach: 2});
  assert.equal(it.draft?.paths.length, 1);
  it.click(88, 63, {reach: 2});
  assert.deepEqual(it.record("1").segmentation, SQUARE.segmentation);
  it.click(50, 50, {reach: 2});
  assert.deepEqual(it.record("1").segmentation, [[10, 10, 50, 10, 10, 50]]);
  it.click(20, 20, {reach: 2});
  assert.match(it.said.join(), /last part/);
  await it.settled();
  assert.equal(it.server.changeCalls.length, 2);
});

test("parts and corners are lit one after another by keys, and removed", async () => {
  const it = await hand({segmentation: [...SQUARE.segmentation, ...FAR.segmentation]});
  it.take("remove", "1");
  const next = it.tool.acts?.find(({name}) => name === "next");
  next?.run();
  next?.run();
  it.press("Delete");
  assert.deepEqual(it.record("1").segmentation, SQUARE.segmentation);
  next?.run();
  next?.run();
  // An answer, or somebody else's change, leaves what is lit.
  await it.settled();
  assert.deepEqual(it.draft?.handles, [[10, 10]]);
  it.press("Enter");
  assert.deepEqual(it.record("1").segmentation, [[50, 10, 50, 50, 10, 50]]);
  await it.settled();
});

test("parts of a mask are removed, and its holes filled", async () => {
  const {it, operations} = await selected(SQUARE, INSIDE, FAR);
  it.session.select(["1", "2"]);
  await operations.subtract();
  it.session.select(["1", "3"]);
  await operations.join();
  const before = pixels(it.record("1"));
  it.take("remove", "1");
  it.click(25, 25);
  assert.equal(pixels(it.record("1")), before + 100);
  it.click(88, 62);
  assert.equal(pixels(it.record("1")), 1600);
  await it.settled();
});

// Fewer corners

const ROUND = Array.from({length: 60}, (_, i) => [50 + 30 * Math.cos(i / 60 * 2 * Math.PI), 40 + 30 * Math.sin(i / 60 * 2 * Math.PI)].map((value) => Number(value.toFixed(2)))).flat();

/** @param {Hand} it */
const corners = (it) => /** @type {any} */ (it.previews.get("1"))?.segmentation[0].length / 2;

test("as many corners as are wanted are left, seen meanwhile, and kept as one change", async () => {
  const it = await hand({segmentation: [ROUND]});
  it.take("thin", "1");
  await until(() => it.previews.size > 0, "it is worked out");
  const first = corners(it);
  assert.match(it.tool.hint(), new RegExp(`^${first} of 60 corners`));
  it.press("ArrowLeft");
  assert.equal(corners(it), first - 1);
  it.tool.acts?.find(({name}) => name === "fewer")?.run();
  assert.ok(corners(it) < first - 1);
  it.tool.wheel?.(100);
  assert.equal(corners(it), 3);
  it.tool.wheel?.(-100);
  assert.equal(corners(it), 60);
  for (let i = 0; i < 48; i++) it.press("ArrowDown");
  it.press("Enter");
  await it.settled();
  assert.equal(it.server.changeCalls.length, 1);
  const [flat] = it.stored(1).segmentation;
  assert.equal(flat.length, 24);
  assert.ok(area([flat]) > 0.9 * area([ROUND]));
  assert.equal(it.previews.size, 0);
});

test("Escape leaves all corners", async () => {
  const it = await hand({segmentation: [ROUND]});
  it.take("thin", "1");
  await until(() => it.previews.size > 0, "it is worked out");
  assert.equal(it.press("Escape"), true);
  assert.deepEqual(it.record("1").segmentation, [ROUND]);
  assert.deepEqual(it.server.changeCalls, []);
});

// A neighbour's edge

for (const [how, options] of /** @type {[string, object][]} */ ([["with Ctrl", {ctrl: true}], ["where it is switched on", {}]])) {
  test(`a polygon follows the edge of another shape ${how}, the shorter way`, async () => {
    const it = await hand(SQUARE);
    it.take("polygon");
    if (!("ctrl" in options)) it.tool.acts?.find(({name}) => name === "follow")?.run();
    it.click(47, 22, options);
    it.click(22, 46, options);
    assert.deepEqual(it.draft?.handles, [[50, 22], [50, 50], [22, 50]]);
    it.click(70, 70);
    it.tool.undo();
    it.tool.undo();
    assert.deepEqual(it.draft?.handles, [[50, 22]]);
    it.click(22, 46, options);
    it.click(70, 70);
    it.press("Enter");
    assert.deepEqual(it.records[1].segmentation, [[50, 22, 50, 50, 22, 50, 70, 70]]);
    await it.settled();
  });
}
