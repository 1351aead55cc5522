// Which annotations the list shows, and in which order.

import assert from "node:assert/strict";
import {test} from "node:test";

import {arranged} from "../../../cocoannot/web/static/views/objects_order.js";

/** @import {Entry} from "../../../cocoannot/web/static/types.js" */

/** @type {Record<number, string>} */
const NAMES = {1: "zebra", 2: "Äpfel", 3: "cat"};
const nameOf = (/** @type {number | null | undefined} */ id) => (id ? NAMES[id] : "no category");
const boundsOf = (/** @type {Entry} */ {annotation: {bbox}}) => (bbox ? [bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]] : null);

/**
 * @param {number} id
 * @param {object} annotation
 * @returns {Entry}
 */
const entry = (id, annotation) => ({key: String(id), id, annotation: /** @type {any} */ ({id, image_id: 1, ...annotation}), etag: null, pending: false, broken: null, text: "", others: null});

const ENTRIES = [
  entry(11, {category_id: 1, bbox: [300, 210, 10, 10]}),
  entry(12, {category_id: 2, bbox: [10, 220, 100, 100]}),
  entry(13, {category_id: 3, bbox: [500, 10, 50, 50]}),
  entry(14, {caption: "A cat on a mat"}),
];
const ids = (/** @type {string} */ text, /** @type {"file" | "category" | "size" | "position"} */ sort) => arranged(ENTRIES, {text, sort, nameOf, boundsOf}).map(({id}) => id);

test("the file's order is left as it is", () => {
  assert.deepEqual(ids("", "file"), [11, 12, 13, 14]);
});

test("by category, names are in the order of the alphabet, without case and accents", () => {
  assert.deepEqual(ids("", "category"), [12, 13, 14, 11]);
});

test("by size, the largest is first, and what has none is last", () => {
  assert.deepEqual(ids("", "size"), [12, 13, 11, 14]);
});

test("by position, it goes as one reads: about the same height goes from left to right", () => {
  assert.deepEqual(ids("", "position"), [13, 12, 11, 14]);
});

test("names, captions and ids are found", () => {
  assert.deepEqual(ids("CAT", "file"), [13, 14]);
  assert.deepEqual(ids("apf", "file"), [12]);
  assert.deepEqual(ids("12", "file"), [12]);
  assert.deepEqual(ids("#13", "file"), [13]);
});
