import assert from "node:assert/strict";
import test from "node:test";

import {hand} from "./hand.js";

const SQUARE = {segmentation: [[50, 10, 90, 10, 90, 50, 50, 50]], bbox: [50, 10, 40, 40], area: 1600};
const OTHER = {segmentation: [[5, 5, 15, 5, 15, 15]], bbox: [5, 5, 10, 10], area: 50};
const TRIANGLE = /** @type {[number, number][]} */ ([[10, 20], [40, 20], [40, 60]]);

/** @param {Awaited<ReturnType<typeof hand>>} it */
const triangle = (it) => TRIANGLE.forEach(([x, y]) => it.click(x, y));

test("a drag draws a box, seen meanwhile, in the picture and to hundredths of a pixel", async () => {
  const it = await hand();
  it.take("box");
  it.pull([10.126, 20], [40, 95]);
  assert.deepEqual(it.draft?.box, [10.13, 20, 29.87, 60]);
  it.point("up", 40, 95, {dragged: true});
  await it.settled();
  assert.deepEqual(it.stored(100), {id: 100, image_id: 1, category_id: 1, segmentation: [], bbox: [10.13, 20, 29.87, 60]});
  assert.equal(it.draft, null);
});

test("a click with the box tool draws nothing, and neither does a line", async () => {
  const it = await hand();
  it.take("box");
  it.click(30, 30);
  it.drag([30, 30], [60, 30.2]);
  assert.deepEqual(it.records, []);
  assert.match(it.said[0], /one pixel/);
});

test("Escape gives a box in the making up; with none it is not taken", async () => {
  const it = await hand();
  it.take("box");
  it.pull([10, 20], [40, 50]);
  assert.equal(it.tool.busy(), true);
  assert.equal(it.press("Escape"), true);
  it.point("up", 40, 50, {dragged: true});
  assert.deepEqual(it.records, []);
  assert.equal(it.press("Escape"), false);
});

for (const [name, close] of /** @type {[string, (it: Awaited<ReturnType<typeof hand>>) => unknown][]} */ ([
  ["Enter", (it) => it.press("Enter")],
  ["a click on the first corner", (it) => it.click(13, 22)],
  ["a double click", (it) => it.point("double", 40, 60)],
])) {
  test(`${name} closes a polygon`, async () => {
    const it = await hand();
    it.take("polygon");
    triangle(it);
    assert.equal(it.tool.busy(), true);
    close(it);
    assert.deepEqual(it.records.map(({segmentation}) => segmentation), [[[10, 20, 40, 20, 40, 60]]]);
    assert.equal(it.tool.busy(), false);
    assert.equal(it.draft, null);
  });
}

test("a double click as the last corner puts one corner there and not two", async () => {
  const it = await hand();
  it.take("polygon");
  triangle(it);
  it.click(10, 70);
  it.click(11, 70);
  it.point("double", 11, 70);
  assert.deepEqual(it.records[0].segmentation, [[10, 20, 40, 20, 40, 60, 10, 70]]);
});

test("two corners are no polygon: Enter says so and keeps them", async () => {
  const it = await hand();
  it.take("polygon");
  it.click(10, 20);
  it.click(40, 20);
  assert.equal(it.press("Enter"), true);
  assert.match(it.said[0], /three corners/);
  assert.equal(it.draft?.handles.length, 2);
});

test("Backspace and undo take a corner back, and are not taken where there is none", async () => {
  const it = await hand();
  it.take("polygon");
  triangle(it);
  assert.equal(it.press("Backspace"), true);
  assert.equal(it.draft?.handles.length, 2);
  assert.equal(it.tool.undo(), true);
  assert.equal(it.tool.undo(), true);
  assert.equal(it.tool.undo(), false);
  assert.equal(it.press("Backspace"), false);
});

test("Escape gives corners up at the second press, and any corner between begins anew", async () => {
  const it = await hand();
  it.take("polygon");
  triangle(it);
  assert.equal(it.press("Escape"), true);
  assert.equal(it.draft?.handles.length, 3);
  assert.match(it.said[0], /Esc again/);
  it.click(10, 70);
  it.press("Escape");
  assert.equal(it.draft?.handles.length, 4);
  it.press("Escape");
  assert.equal(it.draft, null);
  assert.equal(it.press("Escape"), false);
});

test("a pressed corner follows the pointer until it is let go, and two fingers put none", async () => {
  const it = await hand();
  it.take("polygon");
  it.drag([10, 20], [30, 25]);
  assert.deepEqual(it.draft?.handles, [[30, 25]]);
  it.point("down", 50, 50);
  it.point("cancel", 50, 50);
  assert.deepEqual(it.draft?.handles, [[30, 25]]);
});

test("a polygon in the making survives the server's absence and somebody else's change", async () => {
  const it = await hand(SQUARE);
  it.take("polygon");
  it.click(10, 20);
  it.click(40, 20);
  it.server.away = true;
  it.session.setAway(true);
  it.click(40, 60);
  it.press("Enter");
  assert.equal(it.records.length, 2);
  it.server.away = false;
  it.session.setAway(false);
  await it.settled();
  assert.deepEqual(it.stored(100).segmentation, [[10, 20, 40, 20, 40, 60]]);
});

test("nothing can be begun while the next image loads, and what was begun before does not land there", async () => {
  const it = await hand();
  it.take("polygon");
  triangle(it);
  const answer = it.server.keepBack();
  const opened = it.session.open(2, new URLSearchParams());
  it.press("Enter");
  it.take("box");
  it.drag([10, 10], [50, 50]);
  assert.match(it.said.join(), /still loading/);
  answer();
  await opened;
  it.tool = it.take("polygon");
  it.press("Enter");
  assert.match(/** @type {string} */ (it.said.at(-1)), /another image/);
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
  assert.equal(it.tool.busy(), true);
});

test("a part goes to the annotation that was selected when the tool was taken, whatever is selected when it is closed", async () => {
  const it = await hand(SQUARE, OTHER);
  it.take("part", "1");
  it.click(10, 20);
  it.session.select(["2"]);
  it.click(40, 20);
  it.click(40, 60);
  it.press("Enter");
  assert.deepEqual(it.record("1").segmentation, [...SQUARE.segmentation, [10, 20, 40, 20, 40, 60]]);
  assert.deepEqual(it.record("2").segmentation, OTHER.segmentation);
  await Promise.resolve();
  assert.equal(it.done, 1);
  assert.equal(it.tool.busy(), false);
});

test("a part is added to the polygons as they are when it is closed", async () => {
  const it = await hand(SQUARE);
  it.take("part", "1");
  triangle(it);
  it.server.byOthers({op: "update", id: 1, changes: {segmentation: OTHER.segmentation}});
  await it.session.reopen();
  it.press("Enter");
  assert.deepEqual(it.record("1").segmentation, [...OTHER.segmentation, [10, 20, 40, 20, 40, 60]]);
});

test("a part whose annotation is gone is kept in the making, and it is said why", async () => {
  const it = await hand(SQUARE);
  it.take("part", "1");
  triangle(it);
  it.server.byOthers({op: "delete", id: 1});
  await it.session.reopen();
  it.press("Enter");
  assert.match(it.said[0], /no polygons any more/);
  assert.equal(it.draft?.handles.length, 3);
});

for (const [name, records, selected] of /** @type {[string, object[], string[]][]} */ ([
  ["nothing", [SQUARE], []], ["two", [SQUARE, OTHER], ["1", "2"]], ["a box", [{bbox: [1, 2, 30, 40], segmentation: []}], ["1"]],
])) {
  test(`with ${name} selected, no part can be added, and the tool is put away`, async () => {
    const it = await hand(...records);
    it.take("part", ...selected);
    assert.equal(it.done, 1);
    assert.match(it.said[0], /Select one annotation/);
  });
}

test("without a category nothing is drawn, and the polygon is kept", async () => {
  const it = await hand();
  it.session.setCategory(null);
  it.take("polygon");
  triangle(it);
  it.press("Enter");
  assert.match(it.said[0], /category/);
  assert.equal(it.draft?.handles.length, 3);
});

test("what is drawn in a hidden category is to be seen", async () => {
  const it = await hand();
  it.session.visibility.toggleHiddenCategory(1);
  it.take("box");
  it.drag([10, 10], [50, 50]);
  const [entry] = it.session.entries.values();
  assert.equal(it.session.isVisible(entry), true);
});
