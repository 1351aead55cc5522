// Masks as run lengths, with pycocotools as the oracle (data/masks.json).

import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import test from "node:test";

import {contour} from "../../../cocoannot/web/static/geometry/contour.js";
import {area, contains} from "../../../cocoannot/web/static/geometry/polygons.js";
import * as rle from "../../../cocoannot/web/static/geometry/rle.js";

/** @typedef {{name: string, size: [number, number], counts: string, runs: number[], area: number, box: number[] | null, rows: string[] | null}} Made */

/** @type {{masks: Made[]}} */
const {masks} = JSON.parse(readFileSync(new URL("../data/masks.json", import.meta.url), "utf8"));
const small = masks.flatMap((mask) => (mask.rows ? [{...mask, rows: mask.rows}] : []));

/** @type {(rows: string[], x: number, y: number) => boolean} */
const isSet = (rows, x, y) => rows[y]?.[x] === "1";

for (const {name, size, counts, runs, area: pixels, box} of masks) {
  test(`${name}: counts decode to the runs, and encode to the text, of pycocotools`, () => {
    assert.deepEqual(rle.decode({size, counts}), runs);
    assert.deepEqual(rle.decode({size, counts: runs}), runs);
    assert.equal(rle.encode(runs), counts);
  });

  test(`${name}: area and box are those of pycocotools`, () => {
    assert.equal(rle.area(runs), pixels);
    assert.deepEqual(rle.box(runs, size[0]), box);
  });
}

for (const {name, size, runs, rows} of small) {
  test(`${name}: it is hit at its pixels and nowhere else`, () => {
    for (let y = -1; y <= size[0]; y++) {
      for (let x = -1; x <= size[1]; x++) assert.equal(rle.contains(runs, size, [x + 0.5, y + 0.5]), isSet(rows, x, y), `${x}, ${y}`);
    }
  });

  test(`${name}: moved, it has the same pixels elsewhere, without those beyond the edge`, () => {
    for (const [dx, dy] of [[0, 0], [1, 0], [0, -1], [-2, 3], [40, 40]]) {
      const moved = rle.moved(runs, size, dx, dy);
      assert.deepEqual(rle.decode({size, counts: rle.encode(moved)}), moved);
      for (let y = 0; y < size[0]; y++) {
        for (let x = 0; x < size[1]; x++) assert.equal(rle.contains(moved, size, [x, y]), isSet(rows, x - dx, y - dy), `${x}, ${y} moved by ${dx}, ${dy}`);
      }
    }
  });

  test(`${name}: its edge, filled even-odd, is the mask`, () => {
    const rings = contour(runs, size[0]);
    for (let y = 0; y < size[0]; y++) {
      for (let x = 0; x < size[1]; x++) {
        const times = rings.filter((ring) => contains(ring, [x + 0.5, y + 0.5])).length;
        assert.equal(times % 2 === 1, isSet(rows, x, y), `${x}, ${y}`);
      }
    }
  });
}

test("the edge of a rectangle has its four corners and no more", () => {
  const [ring, ...others] = contour([6 * 2 + 1, 4, 2, 4, 6 * 2 + 1], 6);
  assert.deepEqual(others, []);
  assert.equal(ring.length, 4);
  assert.equal(area(ring), 8);
});

test("a mask of 66,000 by 65,000 pixels decodes, though its counts need more than 32 bits", () => {
  const runs = [4_289_999_990, 10];
  assert.deepEqual(rle.decode({size: [66_000, 65_000], counts: rle.encode(runs)}), runs);
});

for (const [why, mask] of /** @type {[RegExp, any][]} */ ([
  [/no size/, {counts: "d0"}],
  [/no size/, {size: [4], counts: "d0"}],
  [/no size/, {size: ["4", 5], counts: "d0"}],
  [/no counts/, {size: [4, 5]}],
  [/no counts/, {size: [4, 5], counts: null}],
  [/neither a text nor a list/, {size: [4, 5], counts: 20}],
  [/no text of run lengths/, {size: [4, 5], counts: "d"}],
  [/no text of run lengths/, {size: [4, 5], counts: "ä0"}],
  [/no text of run lengths/, {size: [4, 5], counts: "oooooooooooooooo0"}],
  [/whole numbers/, {size: [4, 5], counts: [19.5, 0.5]}],
  [/whole numbers/, {size: [4, 5], counts: [-1, 21]}],
  [/whole numbers/, {size: [4, 5], counts: ["20"]}],
  [/for 19 pixels and its size for 20/, {size: [4, 5], counts: [19]}],
])) {
  test(`${JSON.stringify(mask)} is refused with a reason`, () => assert.throws(() => rle.decode(mask), why));
}
