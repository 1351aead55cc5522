import assert from "node:assert/strict";
import test from "node:test";

import * as rle from "../../../cocoannot/web/static/geometry/rle.js";
import {hand} from "./hand.js";

/** @typedef {Awaited<ReturnType<typeof hand>>} Hand */

const SQUARE = {segmentation: [[50, 10, 90, 10, 90, 50, 50, 50]], bbox: [50, 10, 40, 40], area: 1600};
/** A frame of 30 x 30 pixels around a hole of 10 x 10. @param {boolean} asText */
function frame(asText) {
  const column = (/** @type {number} */ x) => (x < 30 || x >= 60 ? "" : x < 40 || x >= 50 ? "30-60" : "30-40 50-60");
  const runs = [0];
  let at = 0;
  for (let x = 0; x < 100; x++) {
    for (const part of column(x).split(" ").filter(Boolean)) {
      const [top, bottom] = part.split("-").map(Number);
      if (runs.length === 1) runs[0] = x * 80 + top;
      else runs.push(x * 80 + top - at);
      runs.push(bottom - top);
      at = x * 80 + bottom;
    }
  }
  runs.push(8000 - at);
  return {segmentation: {size: [80, 100], counts: asText ? rle.encode(runs) : runs}};
}

/** @param {any} annotation @param {number} x @param {number} y */
const covers = ({segmentation}, x, y) => rle.contains(rle.decode(segmentation), segmentation.size, [x + 0.5, y + 0.5]);
/** @param {any} annotation */
const pixels = ({segmentation}) => rle.area(rle.decode(segmentation));

/** @param {Hand} it @param {string} name */
const act = (it, name) => it.tool.acts?.find((each) => each.name === name)?.run();

/** @param {...object} records */
async function brush(...records) {
  const it = await hand(...records);
  it.take("brush", ...(records.length ? ["1"] : []));
  return it;
}

test("a drag paints a new mask, the next one goes on with it, and each is one change", async () => {
  const it = await brush();
  it.drag([20, 20], [40, 20]);
  assert.equal(it.records.length, 1);
  assert.ok(covers(it.records[0], 30, 25) && !covers(it.records[0], 30, 35));
  it.drag([20, 20], [20, 60]);
  await it.settled();
  assert.equal(it.server.changeCalls.length, 2);
  assert.ok(covers(it.stored(100), 20, 55) && covers(it.stored(100), 40, 20));
  await it.session.undo();
  await it.settled();
  assert.ok(!covers(it.stored(100), 20, 55) && covers(it.stored(100), 40, 20));
});

test("a click is a dot of the pen's size", async () => {
  const it = await brush();
  it.click(50, 40);
  const area = pixels(it.records[0]);
  assert.ok(Math.abs(area - Math.PI * 144) < 10, `${area}`);
  await it.settled();
});

test("Ctrl erases from the selected mask, and where the pen erases, Ctrl paints", async () => {
  const it = await brush(frame(true));
  it.drag([30, 45], [60, 45], {ctrl: true});
  assert.ok(!covers(it.record("1"), 32, 45) && covers(it.record("1"), 32, 32));
  act(it, "erase");
  it.drag([30, 58], [60, 58]);
  assert.ok(!covers(it.record("1"), 45, 55));
  it.drag([30, 58], [60, 58], {ctrl: true});
  assert.ok(covers(it.record("1"), 45, 55));
  await it.settled();
});

for (const asText of [true, false]) {
  test(`counts stay ${asText ? "a text" : "a list"} where they were one`, async () => {
    const it = await brush(frame(asText));
    it.click(20, 20);
    assert.equal(typeof /** @type {any} */ (it.record("1").segmentation).counts, asText ? "string" : "object");
    await it.settled();
  });
}

test("holes are filled, once, and a stroke with Shift fills what it goes around", async () => {
  const it = await brush(frame(true));
  act(it, "fill");
  assert.ok(covers(it.record("1"), 45, 45));
  assert.equal(pixels(it.record("1")), 900);
  act(it, "fill");
  assert.match(it.said.join(), /no hole/);
  await it.settled();
  assert.equal(it.server.changeCalls.length, 1);
  it.session.select([]);
  it.point("down", 10, 10, {shift: true});
  for (const [x, y] of [[90, 10], [90, 70], [10, 70]]) it.point("move", x, y, {shift: true, dragged: true});
  it.point("up", 10, 12, {shift: true, dragged: true});
  assert.ok(covers(/** @type {any} */ (it.records.at(-1)), 50, 40));
  await it.settled();
});

test("a polygon becomes a mask with the first stroke, and it is said", async () => {
  const it = await brush(SQUARE);
  it.drag([50, 30], [30, 30]);
  assert.ok(covers(it.record("1"), 35, 30) && covers(it.record("1"), 85, 45));
  assert.match(it.said.join(), /mask now/);
  await it.settled();
});

test("where polygons are wanted, a mask without a hole is kept as polygons, and one with a hole is not", async () => {
  const it = await brush(SQUARE);
  act(it, "polygons");
  it.drag([50, 30], [30, 30]);
  assert.ok(Array.isArray(it.record("1").segmentation));
  it.click(70, 30, {ctrl: true});
  assert.equal(/** @type {any} */ (it.record("1").segmentation).size.join(), "80,100");
  assert.match(it.said.join(), /has a hole/);
  await it.settled();
});

test("the stroke is seen while it is drawn, and Escape, undo and a second finger give it up", async () => {
  const it = await brush(frame(true));
  for (const stop of [() => it.press("Escape"), () => it.tool.undo(), () => it.point("cancel", 0, 0)]) {
    it.pull([10, 10], [20, 20]);
    assert.equal(it.tool.busy(), true);
    assert.ok(covers(it.previews.get("1"), 15, 15));
    stop();
    assert.equal(it.previews.size, 0);
    it.point("up", 20, 20, {dragged: true});
  }
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
  assert.equal(it.press("Escape"), false);
});

test("a new mask is seen while it is drawn", async () => {
  const it = await brush();
  it.pull([10, 10], [20, 20]);
  assert.ok(covers(it.draft?.shape, 15, 15));
  assert.equal(it.draft?.pen?.erases, false);
  await it.settled();
});

test("nothing changes where nothing would be other, or nothing be left", async () => {
  const it = await brush(frame(true));
  it.click(32, 32, {});
  it.tool.wheel?.(-40);
  it.click(45, 45, {ctrl: true});
  assert.match(it.said.join(), /Nothing would be left/);
  await it.settled();
  const calls = it.server.changeCalls.length;
  it.tool.wheel?.(100);
  it.click(32, 32);
  await it.settled();
  assert.equal(it.server.changeCalls.length, calls);
});

test("the keys alone paint: arrows bring the pen, Enter puts it down and lifts it", async () => {
  const it = await brush();
  it.press("Enter");
  for (let i = 0; i < 3; i++) it.press("ArrowRight", {shift: true});
  assert.equal(it.tool.busy(), true);
  it.press("Enter");
  assert.ok(covers(it.records[0], 80, 40) && covers(it.records[0], 45, 40) && !covers(it.records[0], 20, 40));
  await it.settled();
});

test("the pen has sizes, by keys and by the wheel, that differ and end somewhere", async () => {
  const it = await brush();
  const radius = () => it.draft?.pen?.radius ?? 0;
  it.point("move", 50, 40);
  const before = radius();
  act(it, "smaller");
  assert.ok(radius() < before);
  assert.equal(it.tool.wheel?.(-3), true);
  assert.ok(radius() > before);
  for (let i = 0; i < 100; i++) act(it, "smaller");
  assert.equal(radius(), 0.5);
  act(it, "larger");
  assert.equal(radius(), 1);
  await it.settled();
});

test("another category after a mask was begun begins another one, and Shift+R does", async () => {
  const it = await brush();
  it.click(20, 20);
  it.session.setCategory(2);
  it.click(60, 60);
  assert.deepEqual(it.records.map(({category_id}) => category_id), [1, 2]);
  act(it, "another");
  it.click(80, 20);
  assert.equal(it.records.length, 3);
  await it.settled();
});

test("what is locked is not painted on, and an eraser needs a mask", async () => {
  const it = await brush(frame(true));
  it.session.visibility.toggleLocked("1");
  it.click(45, 45);
  assert.match(it.said.join(), /locked/);
  it.session.select([]);
  it.click(45, 45, {ctrl: true});
  assert.match(it.said.join(), /Select a mask first/);
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
});

test("a mask of another size than the picture is left alone, with words", async () => {
  const it = await brush({segmentation: {size: [40, 50], counts: [1000, 10, 990]}});
  it.click(45, 45);
  assert.match(it.said.join(), /another size/);
  await it.settled();
  assert.deepEqual(it.server.changeCalls, []);
});

test("a mask that somebody deletes during the stroke is asked about, and can be kept with the stroke", async () => {
  const it = await brush(frame(true));
  it.session.on("conflict", ({resolve}) => resolve("mine"));
  it.pull([10, 10], [20, 20]);
  it.server.byOthers({op: "delete", id: 1});
  await it.session.reopen();
  it.point("up", 20, 20, {dragged: true});
  await it.settled();
  const [left] = it.records;
  assert.ok(covers(left, 15, 15) && covers(left, 32, 32));
});
