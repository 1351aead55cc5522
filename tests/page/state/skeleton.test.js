// The keypoints of a category as people type them.

import assert from "node:assert/strict";
import {test} from "node:test";

import {PERSON, parse, skeletonOf, textOf} from "../../../cocoannot/web/static/state/skeleton.js";

test("what is written as text is read as the same", () => {
  assert.deepEqual(parse(textOf(PERSON)), PERSON);
});

test("names are lines, and joined two by two, by name or number, with hyphens in them too", () => {
  const names = "left-ear\n  nose \n\nright_ear\n";
  assert.deepEqual(parse({names, pairs: "left-ear - nose\nNOSE - right ear\n1-3"}), {names: ["left-ear", "nose", "right_ear"], pairs: [[1, 2], [2, 3], [1, 3]]});
});

for (const [pairs, why] of /** @type {[string, RegExp][]} */ ([
  ["nose - tail", /“nose - tail” does not join two/],
  ["nose", /“nose” does not join/],
  ["nose - nose", /“nose - nose” does not join/],
  ["1 - 3", /“1 - 3” does not join/],
])) {
  test(`${pairs} is refused in words`, () => {
    assert.throws(() => parse({names: "nose\nmouth", pairs}), why);
  });
}

test("one name twice is refused", () => {
  assert.throws(() => parse({names: "eye\nnose\neye", pairs: ""}), /two keypoints with the name “eye”/);
});

test("what a file has that is no skeleton is left out", () => {
  assert.deepEqual(skeletonOf({keypoints: "head", skeleton: [[1, 2], [1], "x", [1, 2.5]]}), {names: [], pairs: [[1, 2]]});
  assert.deepEqual(skeletonOf({}), {names: [], pairs: []});
});
