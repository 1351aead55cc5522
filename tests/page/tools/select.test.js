import assert from "node:assert/strict";
import test from "node:test";

import {hand} from "./hand.js";

const BOX = {bbox: [10, 20, 40, 30], segmentation: [], area: 1200};
const BEYOND = {bbox: [-5, 20, 40, 70], segmentation: [], area: 2800};
const SQUARE = {segmentation: [[50, 10, 90, 10, 90, 50, 50, 50]], bbox: [50, 10, 40, 40], area: 1600};
const SMALL = {bbox: [20, 25, 8, 8], segmentation: [], area: 64};

test("a click selects the smallest shape under it, and a click on nothing selects nothing", async () => {
  const it = await hand(BOX, SMALL);
  it.click(24, 29);
  assert.deepEqual([...it.session.selection], ["2"]);
  it.click(45, 45);
  assert.deepEqual([...it.session.selection], ["1"]);
  it.click(95, 75);
  assert.deepEqual([...it.session.selection], []);
});

test("Ctrl and Shift with a click add to what is selected, and take away", async () => {
  const it = await hand(BOX, SQUARE);
  it.click(30, 30);
  it.click(70, 30, {ctrl: true});
  assert.deepEqual([...it.session.selection], ["1", "2"]);
  it.click(30, 30, {shift: true});
  assert.deepEqual([...it.session.selection], ["2"]);
});

test("a click that shakes by less than the threshold changes nothing, wherever on a shape it is", async () => {
  for (const record of [BOX, BEYOND, SQUARE]) {
    const it = await hand(record);
    it.session.select(["1"]);
    const before = JSON.stringify(it.record("1"));
    for (const [x, y] of /** @type {[number, number][]} */ ([[30, 30], [10, 20], [30, 20], [50, 10], [70, 10], [70, 30], [35, 60]])) {
      it.drag([x, y], [x + 2, y + 2]);
      it.click(x, y);
    }
    await it.settled();
    assert.equal(JSON.stringify(it.record("1")), before);
    assert.deepEqual(it.server.changeCalls, []);
  }
});

test("a drag that comes back to where it began changes nothing", async () => {
  const it = await hand(BOX);
  it.session.select(["1"]);
  it.point("down", 30, 30);
  it.point("move", 50, 50, {dragged: true});
  it.point("move", 30, 30, {dragged: true});
  it.point("up", 30, 30, {dragged: true});
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
});

test("a drag moves what is selected and is seen meanwhile; the change comes when it is let go", async () => {
  const it = await hand(BOX);
  it.session.select(["1"]);
  it.pull([30, 30], [40, 35]);
  assert.deepEqual(it.previews.get("1")?.bbox, [20, 25, 40, 30]);
  assert.deepEqual(it.record("1").bbox, [10, 20, 40, 30]);
  it.point("up", 40, 35, {dragged: true});
  assert.equal(it.previews.size, 0);
  assert.deepEqual(it.record("1").bbox, [20, 25, 40, 30]);
  await it.settled();
  assert.deepEqual(it.stored(1).bbox, [20, 25, 40, 30]);
});

test("a drag from ground, or from a shape that is not selected, moves the picture and no shape", async () => {
  const it = await hand(BOX, SQUARE);
  assert.equal(it.pans(95, 75), true);
  assert.equal(it.pans(70, 30), true);
  it.session.select(["2"]);
  assert.equal(it.pans(70, 30), false);
  assert.equal(it.pans(30, 30), true);
  it.drag([30, 30], [40, 40]);
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
});

test("a box that reaches beyond the picture is moved without being cropped", async () => {
  const it = await hand(BEYOND);
  it.session.select(["1"]);
  it.drag([10, 50], [20, 50]);
  assert.deepEqual(it.record("1").bbox, [5, 20, 40, 70]);
});

test("many that are selected move by the same, as one change, and stop where the first one meets the edge", async () => {
  const it = await hand(BOX, SQUARE);
  it.session.select(["1", "2"]);
  it.drag([30, 40], [60, 40]);
  assert.deepEqual(it.record("1").bbox, [20, 20, 40, 30]);
  assert.deepEqual(it.record("2").segmentation, [[60, 10, 100, 10, 100, 50, 60, 50]]);
  await it.settled();
  assert.equal(it.server.changeCalls.length, 1);
});

test("keypoints move with their box", async () => {
  const it = await hand({...BOX, keypoints: [12, 22, 2, 0, 0, 0], num_keypoints: 1});
  it.session.select(["1"]);
  it.drag([30, 40], [40, 40]);
  await it.settled();
  assert.deepEqual(it.stored(1).keypoints, [22, 22, 2, 0, 0, 0]);
  assert.deepEqual(it.stored(1).bbox, [20, 20, 40, 30]);
});

test("a drag while an earlier change is unanswered keeps what the hand does", async () => {
  const it = await hand(BOX);
  it.session.select(["1"]);
  const answer = it.server.keepBack();
  it.drag([30, 30], [40, 30]);
  it.pull([40, 30], [40, 35]);
  answer();
  await it.settled();
  assert.deepEqual(it.previews.get("1")?.bbox, [20, 25, 40, 30]);
  it.point("up", 40, 40, {dragged: true});
  await it.settled();
  assert.deepEqual(it.stored(1).bbox, [20, 30, 40, 30]);
  assert.deepEqual(it.record("1").bbox, [20, 30, 40, 30]);
});

test("somebody else's change during a drag waits until it is over, and both are there", async () => {
  const it = await hand(BOX, SQUARE);
  it.session.select(["1"]);
  it.pull([30, 30], [40, 30]);
  it.server.byOthers({op: "update", id: 2, changes: {category_id: 2}});
  await it.session.reopen();
  assert.deepEqual(it.previews.get("1")?.bbox, [20, 20, 40, 30]);
  assert.equal(it.record("2").category_id, 2);
  it.point("up", 40, 30, {dragged: true});
  await it.settled();
  assert.deepEqual(it.stored(1).bbox, [20, 20, 40, 30]);
  assert.equal(it.stored(2).category_id, 2);
});

test("somebody else's change of what is dragged does not replace it under the hand", async () => {
  const it = await hand(BOX);
  it.session.select(["1"]);
  it.pull([30, 30], [40, 30]);
  it.server.byOthers({op: "update", id: 1, changes: {bbox: [1, 2, 3, 4]}});
  await it.session.reopen();
  assert.deepEqual(it.record("1").bbox, [10, 20, 40, 30]);
  it.press("Escape");
  assert.deepEqual(it.record("1").bbox, [1, 2, 3, 4]);
});

test("Escape and a second finger give a drag up without a trace", async () => {
  for (const end of [(/** @type {Awaited<ReturnType<typeof hand>>} */ it) => it.press("Escape"), (/** @type {Awaited<ReturnType<typeof hand>>} */ it) => it.point("cancel", 0, 0)]) {
    const it = await hand(BOX);
    it.session.select(["1"]);
    it.pull([30, 30], [40, 35]);
    assert.equal(it.tool.busy(), true);
    end(it);
    it.point("up", 40, 35, {dragged: true});
    assert.equal(it.previews.size, 0);
    await it.settled();
    assert.deepEqual(it.server.changeCalls, []);
    assert.equal(it.press("Escape"), false);
  }
});

test("a corner is dragged by its handle, from where it is and not from where it was taken", async () => {
  const it = await hand(SQUARE);
  it.session.select(["1"]);
  it.drag([52, 12], [42, 22]);
  assert.deepEqual(it.record("1").segmentation, [[40, 20, 90, 10, 90, 50, 50, 50]]);
});

test("a click near an edge adds no corner; dragging its middle does, and so does a double click on it", async () => {
  const it = await hand(SQUARE);
  it.session.select(["1"]);
  it.click(60, 10);
  it.click(70, 10);
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
  it.drag([70, 10], [70, 2]);
  assert.deepEqual(it.record("1").segmentation, [[50, 10, 70, 2, 90, 10, 90, 50, 50, 50]]);
  it.doubleClick(90, 38);
  assert.deepEqual(it.record("1").segmentation, [[50, 10, 70, 2, 90, 10, 90, 38, 90, 50, 50, 50]]);
});

for (const [name, how] of /** @type {[string, object][]} */ ([["Alt and a click", {alt: true}], ["a right click", {button: 2}]])) {
  test(`${name} on a corner removes it, and not where three are left`, async () => {
    const it = await hand(SQUARE);
    it.session.select(["1"]);
    it.click(50, 10, how);
    assert.deepEqual(it.record("1").segmentation, [[90, 10, 90, 50, 50, 50]]);
    it.click(90, 10, how);
    assert.deepEqual(it.record("1").segmentation, [[90, 10, 90, 50, 50, 50]]);
    assert.match(it.said[0], /three corners/);
  });
}

test("a box that is made too small stays as it was, and it is said why", async () => {
  const it = await hand(BOX);
  it.session.select(["1"]);
  it.drag([50, 35], [10, 35]);
  assert.match(it.said[0], /one pixel/);
  assert.deepEqual(it.record("1").bbox, [10, 20, 40, 30]);
});

test("locked shapes take no drag, hidden ones no click", async () => {
  const it = await hand(BOX, SMALL);
  it.session.visibility.toggleLocked("1");
  it.session.select(["1"]);
  assert.equal(it.pans(45, 45), true);
  it.drag([45, 45], [55, 55]);
  assert.equal(it.press("ArrowLeft"), false);
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
  it.session.visibility.toggleHidden("2");
  it.click(24, 29);
  assert.deepEqual([...it.session.selection], ["1"]);
});

test("Shift and a drag from ground select what lies wholly in the box, beside what was selected", async () => {
  const it = await hand(BOX, SQUARE, SMALL);
  it.session.select(["2"]);
  assert.equal(it.pans(2, 2, {shift: true}), false);
  it.pull([2, 2], [60, 60], {shift: true});
  assert.deepEqual(it.draft?.box, [2, 2, 58, 58]);
  it.point("up", 60, 60, {shift: true, dragged: true});
  assert.equal(it.draft, null);
  assert.deepEqual([...it.session.selection].sort(), ["1", "2", "3"]);
});

test("arrows move what is selected by a pixel, with Shift by ten, as far as the edge; without a selection they are not taken", async () => {
  const it = await hand(BOX);
  assert.equal(it.press("ArrowLeft"), false);
  it.session.select(["1"]);
  assert.equal(it.press("ArrowLeft"), true);
  assert.equal(it.press("ArrowDown", {shift: true}), true);
  assert.deepEqual(it.record("1").bbox, [9, 30, 40, 30]);
  it.press("ArrowLeft", {shift: true});
  assert.deepEqual(it.record("1").bbox, [0, 30, 40, 30]);
});

test("a malformed shape stops none of the others", async () => {
  const it = await hand({segmentation: [1, 2, 3, 4, 5, 6]}, {bbox: "1 2 3 4"}, {segmentation: {size: [80, 100]}}, BOX);
  it.click(30, 30);
  assert.deepEqual([...it.session.selection], ["4"]);
  it.drag([30, 30], [40, 30]);
  await it.settled();
  assert.deepEqual(it.stored(4).bbox, [20, 20, 40, 30]);
});

test("the shape under the pointer is known, and none when it leaves", async () => {
  const it = await hand(BOX);
  it.point("move", 30, 30);
  assert.equal(it.session.hovered, "1");
  it.point("leave", 30, 30);
  assert.equal(it.session.hovered, null);
});

test("nothing is changed while the next image loads", async () => {
  const it = await hand(BOX, {...BOX, image_id: 2});
  const answer = it.server.keepBack();
  it.session.select(["1"]);
  const opened = it.session.open(2, new URLSearchParams());
  it.drag([30, 30], [40, 40]);
  answer();
  await opened;
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
});
