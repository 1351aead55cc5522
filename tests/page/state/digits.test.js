import assert from "node:assert/strict";
import test from "node:test";
import {parse, stringify} from "../../../cocoannot/web/static/net/json.js";
import {withDigits} from "../../../cocoannot/web/static/state/digits.js";

const before = () => parse('{"id":1,"image_id":1,"bbox":[1.0,2.50,30.0,40.0],"segmentation":[[1.0,2.0,30.0,2.0,30.0,40.0,1.0,40.0],[5.0,5.0,6.0,5.0,6.0,6.0]],"keypoints":[1.0,2.0,2,3.0,4.0,1]}');

test("dragging one edge of a box keeps the digits of the others", () => {
  assert.equal(stringify(withDigits({bbox: [1, 2.5, 31, 40]}, before())), '{"bbox":[1.0,2.50,31,40.0]}');
});

test("moving one corner keeps the digits of the others, in all parts", () => {
  const [ring, other] = before().segmentation;
  const moved = [...ring.slice(0, 4), 29.5, 38, ...ring.slice(6)];
  assert.equal(stringify(withDigits({segmentation: [moved, [...other]]}, before()).segmentation), "[[1.0,2.0,30.0,2.0,29.5,38,1.0,40.0],[5.0,5.0,6.0,5.0,6.0,6.0]]");
});

test("corners that are added or removed leave the others their digits", () => {
  const [ring, other] = before().segmentation;
  const added = [...ring.slice(0, 2), 15, 2.5, ...ring.slice(2)];
  assert.equal(stringify(withDigits({segmentation: [added, other]}, before()).segmentation), "[[1.0,2.0,15,2.5,30.0,2.0,30.0,40.0,1.0,40.0],[5.0,5.0,6.0,5.0,6.0,6.0]]");
  const removed = [...ring.slice(0, 2), ...ring.slice(4)];
  assert.equal(stringify(withDigits({segmentation: [removed, other]}, before()).segmentation), "[[1.0,2.0,30.0,40.0,1.0,40.0],[5.0,5.0,6.0,5.0,6.0,6.0]]");
});

test("parts that are added or removed leave the others their digits", () => {
  const [ring, other] = before().segmentation;
  assert.equal(stringify(withDigits({segmentation: [[...other]]}, before()).segmentation), "[[5.0,5.0,6.0,5.0,6.0,6.0]]");
  assert.equal(stringify(withDigits({segmentation: [[...ring], [7, 7, 8, 7, 8, 8], [...other]]}, before()).segmentation), "[[1.0,2.0,30.0,2.0,30.0,40.0,1.0,40.0],[7,7,8,7,8,8],[5.0,5.0,6.0,5.0,6.0,6.0]]");
});

test("one keypoint moves alone", () => {
  assert.equal(stringify(withDigits({keypoints: [1, 2, 2, 3.5, 4, 1]}, before())), '{"keypoints":[1.0,2.0,2,3.5,4.0,1]}');
});

test("a record whose geometry is something else does no harm", () => {
  for (const text of ['{"segmentation":{"size":[1,2],"counts":"x"}}', '{"segmentation":[1.0,2.0]}', '{"segmentation":null,"bbox":"no"}', "{}"]) {
    assert.deepEqual(withDigits({segmentation: [[1, 2, 3, 4, 5, 6]], bbox: [1, 2, 3, 4], keypoints: [1, 2, 2]}, parse(text)), {segmentation: [[1, 2, 3, 4, 5, 6]], bbox: [1, 2, 3, 4], keypoints: [1, 2, 2]}, text);
  }
});

test("a ring that lost several corners, was turned round, or is a piece of two keeps the digits of the corners that it has", () => {
  const ring = parse('{"id":1,"segmentation":[[1.0,2.0,30.0,2.0,40.0,9.0,30.0,40.0,1.0,40.0,0.5,9.50]]}');
  assert.equal(stringify(withDigits({segmentation: [[1, 2, 40, 9, 1, 40]]}, ring).segmentation), "[[1.0,2.0,40.0,9.0,1.0,40.0]]");
  assert.equal(stringify(withDigits({segmentation: [[0.5, 9.5, 30, 40, 30, 2]]}, ring).segmentation), "[[0.5,9.50,30.0,40.0,30.0,2.0]]");
  assert.equal(stringify(withDigits({segmentation: [[1, 2, 30, 2, 30, 5], [30, 5, 40, 9, 1, 40]]}, ring).segmentation), "[[1.0,2.0,30.0,2.0,30,5],[30,5,40.0,9.0,1.0,40.0]]");
});
