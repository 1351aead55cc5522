import assert from "node:assert/strict";
import test from "node:test";
import {shapeOf} from "../../../cocoannot/web/static/assist/server_outlines.js";
import {encode} from "../../../cocoannot/web/static/geometry/rle.js";
import {until} from "../until.js";
import {hand} from "./hand.js";

/** @import {Found} from "../../../cocoannot/web/static/assist/types.js" */
/** @typedef {Awaited<ReturnType<typeof hand>>} It */

/**
 * A mask of the image (100 x 80) of those pixels for which `isIn` says so.
 * @param {(x: number, y: number) => boolean} isIn
 */
function mask(isIn) {
  const runs = [0];
  let last = false;
  for (let x = 0; x < 100; x++) {
    for (let y = 0; y < 80; y++) {
      if (isIn(x, y) !== last) runs.push(0);
      last = isIn(x, y);
      runs[runs.length - 1] += 1;
    }
  }
  return {size: /** @type {[number, number]} */ ([80, 100]), counts: encode(runs)};
}

/** @type {(left: number, top: number, right: number, bottom: number) => (x: number, y: number) => boolean} */
const within = (left, top, right, bottom) => (x, y) => x >= left && y >= top && x < right && y < bottom;

/** @type {(isIn: (x: number, y: number) => boolean) => Found} */
const found = (isIn) => ({segmentation: mask(isIn), bbox: [0, 0, 1, 1], score: 0.87});
const SQUARE = found(within(10, 20, 40, 60));
const WIDE = found(within(10, 20, 80, 60));

/**
 * The rings, each from the corner that is nearest to the origin on: where a ring begins means nothing.
 * @param {unknown} segmentation
 */
function turned(segmentation) {
  return /** @type {number[][]} */ (segmentation).map((ring) => {
    const sums = ring.flatMap((x, i) => (i % 2 ? [] : [x + ring[i + 1]]));
    const first = 2 * sums.indexOf(Math.min(...sums));
    return [...ring.slice(first), ...ring.slice(0, first)];
  });
}

/** @param {It} it */
const asked = (it) => it.server.calls.filter(({path}) => path.endsWith("/outline")).map(({body}) => body);

test("a click asks for the object there, and Enter keeps what was found", async () => {
  const it = await hand();
  it.server.outlines = [SQUARE];
  it.take("points");
  it.click(20, 30);
  await until(() => it.tool.hint().includes("87 % sure"), "it is found");
  assert.deepEqual(asked(it), [{inside: [[20, 30]], outside: []}]);
  assert.equal(it.draft?.paths.filter(({closed}) => closed).length, 1);
  assert.equal(it.press("Enter"), true);
  await it.settled();
  assert.deepEqual(it.records.map(({segmentation}) => turned(segmentation)), [[[10, 20, 40, 20, 40, 60, 10, 60]]]);
  assert.equal(it.draft, null);
  assert.equal(it.tool.busy(), false);
});

test("a right click, and Alt, say what is too much; Backspace takes a point back", async () => {
  const it = await hand();
  it.server.outlines = [WIDE, SQUARE, SQUARE, WIDE];
  it.take("points");
  it.click(20, 30);
  it.click(60, 30, {button: 2});
  it.click(70, 30, {alt: true});
  await until(() => asked(it).length === 3, "it was asked");
  assert.deepEqual(asked(it).at(-1), {inside: [[20, 30]], outside: [[60, 30], [70, 30]]});
  it.press("Backspace");
  it.tool.undo();
  await until(() => asked(it).length === 5, "it was asked again");
  assert.deepEqual(asked(it).at(-1), {inside: [[20, 30]], outside: []});
  it.press("Backspace");
  assert.equal(it.tool.busy(), false);
});

test("of several answers only that to the newest question counts", async () => {
  const it = await hand();
  it.server.outlines = [WIDE, SQUARE];
  it.take("points");
  const go = it.server.keepBack();
  it.click(20, 30);
  it.click(22, 32);
  // Enter before the answer keeps the answer.
  it.press("Enter");
  assert.deepEqual(it.records, []);
  go();
  await until(() => it.records.length, "it is kept");
  assert.deepEqual(turned(it.records[0].segmentation), [[10, 20, 40, 20, 40, 60, 10, 60]]);
  assert.equal(it.records.length, 1);
});

test("Escape gives it up, also while the server looks", async () => {
  const it = await hand();
  it.server.outlines = [SQUARE];
  it.take("points");
  const go = it.server.keepBack();
  it.click(20, 30);
  assert.equal(it.press("Escape"), true);
  go();
  await until(() => asked(it).length, "it was asked");
  await it.settled();
  assert.equal(it.draft, null);
  assert.equal(it.press("Enter"), false);
  assert.deepEqual(it.records, []);
});

test("where nothing is found there is nothing to keep, and a refusal is said", async () => {
  const it = await hand();
  it.take("points");
  it.click(20, 30);
  await until(() => it.tool.hint().includes("Nothing was found"), "it is said");
  it.press("Enter");
  assert.match(it.said[0], /no outline to keep/);
  it.server.refusing.push({status: 409, body: {message: "the server has no model"}});
  it.click(25, 30);
  await until(() => it.said.length === 2, "it is said");
  assert.equal(it.said[1], "the server has no model");
  assert.equal(it.tool.busy(), true);
});

test("while many ask it is asked again", async () => {
  const it = await hand();
  it.server.outlines = [SQUARE];
  it.server.refusing.push({status: 429, body: {message: "many ask"}});
  it.take("points");
  it.click(20, 30);
  await until(() => it.tool.hint().includes("sure"), "it is found");
  assert.deepEqual(it.said, []);
});

test("a point outside comes after one inside, and a drag is no click", async () => {
  const it = await hand();
  it.take("points");
  it.click(20, 30, {button: 2});
  assert.match(it.said[0], /object first/);
  it.drag([20, 30], [60, 50]);
  assert.equal(it.tool.busy(), false);
  assert.deepEqual(asked(it), []);
});

test("what has a hole stays a mask; specks and pinholes go", () => {
  const [outer, hole] = [within(10, 10, 60, 60), within(20, 20, 40, 40)];
  const holed = mask((x, y) => outer(x, y) && !hole(x, y));
  assert.deepEqual(shapeOf(holed).shape.segmentation, holed);
  assert.equal(shapeOf(holed).rings.length, 2);
  const dirty = mask((x, y) => (outer(x, y) && !within(30, 30, 32, 32)(x, y)) || within(80, 70, 82, 72)(x, y));
  assert.deepEqual(turned(shapeOf(dirty).shape.segmentation), [[10, 10, 60, 10, 60, 60, 10, 60]]);
});

test("the outline of a round mask is within a pixel and a half of its circle, with few corners", () => {
  const {shape} = shapeOf(mask((x, y) => Math.hypot(x + 0.5 - 50, y + 0.5 - 40) <= 30));
  const [ring] = /** @type {number[][]} */ (shape.segmentation);
  for (let i = 0; i < ring.length; i += 2) assert.ok(Math.abs(Math.hypot(ring[i] - 50, ring[i + 1] - 40) - 30) <= 1.5);
  assert.ok(ring.length / 2 >= 12 && ring.length / 2 <= 40, `${ring.length / 2}`);
});
