import assert from "node:assert/strict";
import test from "node:test";

import {until} from "../until.js";
import {hand} from "./hand.js";

/** @typedef {Awaited<ReturnType<typeof hand>>} It */

// Without a worker, lines are straight: what becomes of points and keys is the same.

/** @param {It} it @param {...[number, number]} points */
async function clicks(it, ...points) {
  it.take("wire");
  for (const [i, [x, y]] of points.entries()) {
    it.click(x, y);
    await until(() => it.draft?.handles.length === i + 1, "the point is there");
  }
}

/** @type {[number, number][]} */
const TRIANGLE = [[10, 20], [40, 20], [40, 60]];

/** @param {It} it */
const outlines = (it) => it.records.map(({segmentation}) => segmentation);

for (const [name, close] of /** @type {[string, (it: It) => unknown][]} */ ([
  ["Enter", (it) => it.press("Enter")],
  ["a click on the first point", (it) => it.click(13, 22)],
  ["a double click", (it) => it.doubleClick(10, 60)],
])) {
  test(`${name} closes an outline`, async () => {
    const it = await hand();
    await clicks(it, ...TRIANGLE);
    assert.equal(it.tool.busy(), true);
    close(it);
    await until(() => it.records.length, "it is there");
    assert.deepEqual(outlines(it), [[[10, 20, 40, 20, 40, 60, ...(name === "a double click" ? [10, 60] : [])]]]);
    assert.equal(it.tool.busy(), false);
    assert.equal(it.draft, null);
  });
}

test("what is clicked quickly is done in order", async () => {
  const it = await hand();
  it.take("wire");
  for (const [x, y] of TRIANGLE) it.click(x, y);
  it.press("Enter");
  await until(() => it.records.length, "it is there");
  assert.deepEqual(outlines(it), [[[10, 20, 40, 20, 40, 60]]]);
});

test("Backspace and undo take a point back with its line", async () => {
  const it = await hand();
  await clicks(it, ...TRIANGLE, [80, 70]);
  assert.equal(it.press("Backspace"), true);
  await until(() => it.draft?.handles.length === 3, "one is gone");
  assert.equal(it.tool.undo(), true);
  await until(() => it.draft?.handles.length === 2, "another one is gone");
  assert.deepEqual(it.draft?.paths[0].points.at(-1), [40, 20]);
});

test("Escape asks once before it gives up what has two points", async () => {
  const it = await hand();
  await clicks(it, [10, 20]);
  assert.equal(it.press("Escape"), true);
  assert.equal(it.tool.busy(), false);
  await clicks(it, ...TRIANGLE);
  assert.equal(it.press("Escape"), true);
  assert.match(it.said[0], /Esc again/);
  assert.equal(it.tool.busy(), true);
  assert.equal(it.press("Escape"), true);
  assert.equal(it.tool.busy(), false);
  assert.deepEqual(it.records, []);
});

test("a line to and fro is no outline", async () => {
  const it = await hand();
  await clicks(it, [10, 20], [60, 20]);
  it.press("Enter");
  await until(() => it.said.length, "it says why");
  assert.match(it.said[0], /three corners and an area/);
  assert.equal(it.tool.busy(), true);
});

test("what was begun on another image is not put on this one", async () => {
  const it = await hand();
  await clicks(it, ...TRIANGLE);
  await it.session.open(2, new URLSearchParams());
  it.press("Enter");
  await until(() => it.said.length, "it says why");
  assert.match(it.said[0], /another image/);
  assert.deepEqual(it.records, []);
});

test("two fingers draw nothing, and neither does who may only look", async () => {
  const it = await hand();
  it.take("wire");
  it.point("down", 10, 20, {touch: true});
  it.point("cancel", 10, 20, {touch: true});
  it.point("up", 10, 20, {touch: true});
  assert.equal(it.tool.busy(), false);
  it.session.close();
  it.click(10, 20);
  assert.equal(it.tool.busy(), false);
  assert.equal(it.said.length, 1);
});

test("points stay in the picture", async () => {
  const it = await hand();
  await clicks(it, [-5, -5], [150, -5], [150, 150]);
  it.press("Enter");
  await until(() => it.records.length, "it is there");
  assert.deepEqual(outlines(it), [[[0, 0, 100, 0, 100, 80]]]);
});
