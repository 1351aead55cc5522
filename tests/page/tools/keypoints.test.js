import assert from "node:assert/strict";
import test from "node:test";

import {hand} from "./hand.js";

const PERSON = 3;
const BOX = {category_id: PERSON, bbox: [10, 10, 60, 60], segmentation: [], area: 3600};
const POINTS = {category_id: PERSON, keypoints: [20, 20, 2, 30, 40, 1, 25, 60, 2], num_keypoints: 3, bbox: [20, 20, 10, 40], segmentation: [], area: 400};

/** @param {...object} records */
async function place(...records) {
  const it = await hand(...records);
  it.session.setCategory(PERSON);
  it.take("keypoints");
  return it;
}

/** @param {Awaited<ReturnType<typeof hand>>} it */
const skip = (it) => it.tool.acts?.find(({name}) => name === "skip")?.run();

test("clicks place keypoints in the order of the category's names, as one change", async () => {
  const it = await place();
  assert.match(it.tool.hint(), /Click head, 1 of 3/);
  it.click(20, 10);
  assert.match(it.tool.hint(), /Click hand, 2 of 3/);
  it.click(30.126, 40, {button: 2});
  assert.equal(it.draft?.words?.text, "foot, 3 of 3");
  assert.equal(it.records.length, 0);
  it.click(25, 60);
  await it.settled();
  assert.deepEqual(it.stored(100), {id: 100, image_id: 1, category_id: PERSON, keypoints: [20, 10, 2, 30.13, 40, 1, 25, 60, 2]});
  assert.equal(it.server.changeCalls.length, 1);
  assert.equal(it.draft?.words?.text, "head, 1 of 3");
});

test("one that is not there is 0, 0, 0, and so are those after Enter", async () => {
  const it = await place();
  skip(it);
  it.click(30, 40);
  assert.equal(it.press("Enter"), true);
  assert.deepEqual(it.records[0].keypoints, [0, 0, 0, 30, 40, 2, 0, 0, 0]);
});

test("a shape without any keypoint is none: Enter says so", async () => {
  const it = await place();
  for (let i = 0; i < 3; i++) skip(it);
  assert.match(it.said[0], /No keypoint is there/);
  assert.match(it.tool.hint(), /Backspace takes one back/);
  assert.equal(it.records.length, 0);
  it.tool.undo();
  it.click(30, 40);
  assert.deepEqual(it.records[0].keypoints, [0, 0, 0, 0, 0, 0, 30, 40, 2]);
});

test("a drag places a point where it is let go, inside the picture", async () => {
  const it = await place();
  it.drag([20, 20], [130, 30]);
  it.press("Enter");
  assert.deepEqual(it.records[0].keypoints?.slice(0, 3), [100, 30, 2]);
});

test("Backspace takes one point back, and two fingers take back the one that they pressed, the last one too", async () => {
  const it = await place();
  it.click(20, 10);
  it.click(22, 12);
  it.press("Backspace");
  it.click(30, 40);
  it.point("down", 50, 50);
  it.point("cancel", 50, 50);
  assert.equal(it.records.length, 0);
  it.click(25, 60);
  assert.deepEqual(it.records[0].keypoints, [20, 10, 2, 30, 40, 2, 25, 60, 2]);
});

test("Escape gives two points up when it is pressed twice", async () => {
  const it = await place();
  it.click(20, 10);
  it.click(30, 40);
  assert.equal(it.press("Escape"), true);
  assert.equal(it.tool.busy(), true);
  assert.match(it.said[0], /Esc again/);
  it.press("Escape");
  assert.equal(it.tool.busy(), false);
  assert.equal(it.press("Escape"), false);
  assert.deepEqual(it.records, []);
});

test("arrows and Enter place points without a pointer, hidden ones with Shift", async () => {
  const it = await place();
  it.press("ArrowLeft", {shift: true});
  it.press("Enter");
  it.press("ArrowDown");
  it.press("Enter", {shift: true});
  skip(it);
  assert.deepEqual(it.records[0].keypoints, [40, 40, 2, 40, 41, 1, 0, 0, 0]);
});

test("the selected box gets the points, and what is placed next is an annotation of its own", async () => {
  const it = await hand(BOX);
  it.take("keypoints", "1");
  assert.match(it.tool.hint(), /Selected person: click head/);
  for (const [x, y] of [[20, 20], [30, 40], [25, 60]]) it.click(x, y);
  await it.settled();
  assert.deepEqual(it.stored(1).keypoints, [20, 20, 2, 30, 40, 2, 25, 60, 2]);
  assert.deepEqual(it.stored(1).bbox, BOX.bbox);
  it.session.setCategory(PERSON);
  it.click(50, 50);
  it.press("Enter");
  assert.equal(it.records.length, 2);
  // It lacks two, and is selected; still the next points are not for it.
  it.click(60, 50);
  it.press("Enter");
  assert.equal(it.records.length, 3);
});

test("only the keypoints that the selected annotation lacks are asked for, and the others stay", async () => {
  const it = await hand({...POINTS, keypoints: [20, 20, 2, 0, 0, 0, 25, 60, 1]});
  it.take("keypoints", "1");
  assert.match(it.tool.hint(), /click hand, 2 of 3/);
  it.click(30, 40);
  assert.deepEqual(it.record("1").keypoints, [20, 20, 2, 30, 40, 2, 25, 60, 1]);
});

test("a locked annotation gets no points, and one that was deleted meanwhile is named", async () => {
  const it = await hand(BOX, BOX);
  it.session.visibility.toggleLocked("2");
  it.take("keypoints", "2");
  assert.doesNotMatch(it.tool.hint(), /Selected/);
  it.session.select(["1"]);
  it.click(20, 20);
  it.session.remove(["1"]);
  it.press("Enter");
  assert.match(it.said.at(-1) ?? "", /not there any more/);
  assert.equal(it.tool.busy(), true);
});

test("a category without keypoints says where to name them", async () => {
  const it = await place();
  it.session.setCategory(1);
  assert.match(it.tool.hint(), /cat has no keypoints/);
  it.click(20, 20);
  assert.match(it.said[0], /cat has no keypoints/);
  assert.equal(it.tool.busy(), false);
  it.session.setCategory(PERSON);
  it.click(20, 20);
  assert.equal(it.tool.busy(), true);
});

test("points are not kept on another image than the one that they were placed on", async () => {
  const it = await place();
  it.click(20, 20);
  await it.session.open(2, new URLSearchParams());
  it.press("Enter");
  assert.match(it.said[0], /another image/);
  assert.deepEqual(it.records, []);
});

test("the right button on a keypoint hides it and shows it, Alt+click takes it away, and a drag moves it alone", async () => {
  const it = await hand(POINTS);
  it.take("select", "1");
  it.click(20, 20, {button: 2});
  assert.deepEqual(it.record("1").keypoints?.slice(0, 3), [20, 20, 1]);
  it.click(20, 20, {button: 2});
  assert.deepEqual(it.record("1").keypoints?.slice(0, 3), [20, 20, 2]);
  it.point("move", 30, 40);
  assert.match(it.tool.hint(), /hand, 2 of 3/);
  it.click(30, 40, {alt: true});
  assert.deepEqual(it.record("1").keypoints, [20, 20, 2, 0, 0, 0, 25, 60, 2]);
  it.drag([25, 60], [40, 70]);
  assert.deepEqual(it.record("1").keypoints, [20, 20, 2, 0, 0, 0, 40, 70, 2]);
  it.click(20, 20, {alt: true});
  it.click(40, 70, {alt: true});
  assert.match(it.said[0], /needs one keypoint/);
});
