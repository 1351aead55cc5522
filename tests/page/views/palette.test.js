// Which categories the palette offers, and in which order.

import assert from "node:assert/strict";
import {test} from "node:test";

import {ranked} from "../../../cocoannot/web/static/views/palette_rank.js";

const CATEGORIES = [
  {id: 1, name: "teddy bear", supercategory: "toy", _annotation_count: 0},
  {id: 2, name: "bear", supercategory: "animal", _annotation_count: 0},
  {id: 3, name: "bearing", supercategory: "part", _annotation_count: 0},
  {id: 4, name: "Bär", supercategory: "none", _annotation_count: 0},
  {id: 5, name: "forbear", supercategory: "none", _annotation_count: 0},
  {id: 6, name: "dog", supercategory: "animal", _annotation_count: 0},
];
const found = (/** @type {string} */ text, /** @type {number[]} */ recent = []) => ranked(CATEGORIES, text, recent).map(({id}) => id);

test("without a text all are there, those used last first, then in the file's order", () => {
  assert.deepEqual(found("", [6, 3]), [6, 3, 1, 2, 4, 5]);
});

test("the name itself comes before names that begin with the text, before words, before parts of words", () => {
  assert.deepEqual(found("bear"), [2, 3, 1, 5]);
});

test("a recently used one comes before its equals, and not before better ones", () => {
  assert.deepEqual(found("bea", [1, 3]), [3, 2, 1, 5]);
});

test("the supercategory is found too, after names", () => {
  assert.deepEqual(found("animal"), [2, 6]);
  assert.deepEqual(found("animal dog"), [6]);
});

test("case and accents are passed by", () => {
  assert.deepEqual(found("bar"), [4]);
  assert.deepEqual(found("BÄR"), [4]);
});

test("nothing is found for what is nowhere", () => {
  assert.deepEqual(found("cat"), []);
});

test("names that are no text, and missing ones, do no harm", () => {
  const odd = /** @type {any} */ ([{id: 1, name: 7}, {id: 2, name: null}, {id: 3}]);
  assert.deepEqual(ranked(odd, "7", []).map(({id}) => id), [1]);
});
