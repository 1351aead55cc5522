// A list's filters as chips: nothing that is in the address is left out, and each can be taken away alone.

import assert from "node:assert/strict";
import {test} from "node:test";

import {chipsOf} from "../../../cocoannot/web/static/views/filter_words.js";

const chips = (/** @type {string} */ query) => chipsOf(new URLSearchParams(query), (id) => `name ${id}`);
const labels = (/** @type {string} */ query) => chips(query).map(({label}) => label);

test("the statistics' filters are one chip for each range", () => {
  assert.deepEqual(labels("min_annotations=2&max_annotations=9"), ["2 to 9 annotations"]);
  assert.deepEqual(labels("min_annotations=1&max_annotations=1"), ["1 annotation"]);
  assert.deepEqual(labels("min_annotations=10"), ["10 and more annotations"]);
  assert.deepEqual(labels("min_size=0&below_size=8"), ["Shapes of 0 to 8 pixels"]);
  assert.deepEqual(labels("min_size=512"), ["Shapes of 512 pixels and more"]);
});

test("a chip takes both ends of its range away, and leaves the rest", () => {
  const [, second] = chips("file_name=a&min_size=0&below_size=8&sort=id");
  assert.equal(second.without.toString(), "file_name=a&sort=id");
});

test("several categories are a chip each", () => {
  assert.deepEqual(labels("category_id=3&category_id=5"), ["name 3", "name 5"]);
  assert.equal(chips("category_id=3&category_id=5")[0].without.toString(), "category_id=5");
});

test("a filter that the page does not know is shown as it is", () => {
  assert.deepEqual(labels("last_user=anna"), ["last user: anna"]);
});

test("a state is called as on the page", () => {
  assert.deepEqual(labels("status=returned"), ["Sent back"]);
  assert.deepEqual(labels("status=finished"), ["State: finished"]);
});

test("the order is no filter", () => {
  assert.deepEqual(labels("sort=file_name"), []);
});
