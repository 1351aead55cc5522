import assert from "node:assert/strict";
import test from "node:test";
import {Heard, millisecondsOf, touches} from "../../../cocoannot/web/static/state/heard.js";

/** @import {ToldChange} from "../../../cocoannot/web/static/types.js" */

const NONE = /** @type {ReadonlySet<number>} */ (new Set());

/**
 * @param {number} revision
 * @param {number} image
 * @param {Partial<ToldChange>} [more]
 * @returns {ToldChange}
 */
const told = (revision, image, more) => ({
  revision, time: 1000 + revision, user: "anna", edits: [{section: "annotations", id: 7, image_id: image, op: "update"}], ...more,
});

test("an image is known up to the first change that touches it, or that was not told", () => {
  const heard = new Heard();
  for (const change of [told(11, 2), told(12, 2), told(13, 1), told(15, 2)]) heard.add(change);
  assert.equal(heard.advance(1, 10, NONE), 12);
  assert.equal(heard.advance(2, 10, NONE), 10);
  assert.equal(heard.advance(3, 10, NONE), 13);
  assert.equal(heard.advance(1, 10, new Set([13, 14])), 15);
  heard.clear();
  assert.equal(heard.advance(1, 10, NONE), 10);
});

test("a change touches the image that an annotation has left, and any where it tells not all", () => {
  assert(touches(told(1, 2, {edits: [{section: "annotations", id: 7, image_id: 2, from_image_id: 1, op: "update"}]}), 1));
  assert(touches(told(1, 2, {more: 5}), 1));
  assert(touches(told(1, 2, {edits: [{section: "images", id: 1, image_id: 1, op: "delete"}]}), 1));
  assert(!touches(told(1, 2, {edits: [{section: "categories", id: 1, image_id: null, op: "update"}]}), 1));
});

test("the newest author of an annotation is known, where it was told after what is known", () => {
  const heard = new Heard();
  heard.add(told(11, 1));
  heard.add(told(12, 1, {user: "ben"}));
  heard.add(told(13, 1, {user: "cem", edits: [{section: "annotations", id: 8, image_id: 1, op: "update"}]}));
  assert.deepEqual(heard.authorOf(7, 1, 10), {user: "ben", at: 1_012_000});
  assert.equal(heard.authorOf(7, 1, 12), null);
  heard.add(told(14, 1, {user: "dora", edits: [], more: 200}));
  assert.equal(heard.authorOf(7, 1, 12)?.user, "dora");
});

test("a time is seconds or ISO 8601", () => {
  assert.equal(millisecondsOf(1.5), 1500);
  assert.equal(millisecondsOf("1970-01-01T00:00:02+00:00"), 2000);
});
