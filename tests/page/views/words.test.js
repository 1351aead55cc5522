// Numbers, times and keys as people read them.

import assert from "node:assert/strict";
import {test} from "node:test";

import {nameOfKey} from "../../../cocoannot/web/static/views/key_names.js";
import {ago, nameOr, percent, plural, short} from "../../../cocoannot/web/static/views/words.js";

test("numbers have their nouns", () => {
  assert.equal(plural(1, "image"), "1 image");
  assert.equal(plural(118287, "image"), "118,287 images");
  assert.equal(plural(2, "category"), "2 categories");
});

test("pixels have as many digits as tell them", () => {
  assert.deepEqual([12, 12.345678, 0.3333333, 1234.5678].map(short), ["12", "12.35", "0.333", "1234.6"]);
});

test("the zoom is in percent, small ones with a digit more", () => {
  assert.deepEqual([1, 0.634, 0.0512, 16].map(percent), ["100 %", "63 %", "5.1 %", "1600 %"]);
});

test("the time since something is in minutes at first", () => {
  const now = Date.parse("2024-05-01T12:00:00");
  assert.equal(ago(now - 20_000, now), "just now");
  assert.equal(ago(now - 180_000, now), "3 minutes ago");
  assert.equal(ago(now - 3 * 3_600_000, now), "at 09:00");
  assert.equal(ago(now - 48 * 3_600_000, now), "on April 29");
});

test("a name that is no text is read as one", () => {
  assert.equal(nameOr(7, "x"), "7");
  assert.equal(nameOr(null, "image 3"), "image 3");
  assert.equal(nameOr("", "image 3"), "image 3");
});

test("keys are called as on the keyboard", () => {
  assert.deepEqual(["ctrl+shift+z", "ArrowLeft", "b", "Ctrl++", "+", "space"].map(nameOfKey), ["Ctrl+Shift+Z", "←", "B", "Ctrl++", "+", "Space"]);
});
