// How pictures are turned, with files that Pillow made (data/turned.json).

import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import test from "node:test";

import {orientationOf, turnedBack} from "../../../cocoannot/web/static/geometry/orientation.js";

/** @type {{pictures: {format: string, orientation: number, base64: string}[]}} */
const {pictures} = JSON.parse(readFileSync(new URL("../data/turned.json", import.meta.url), "utf8"));

/** @param {string} text */
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

for (const {format, orientation, base64} of pictures) {
  test(`a ${format} says that it is turned by ${orientation}`, () => assert.equal(orientationOf(bytes(base64)), orientation));
}

test("a big-endian directory is read too, and a damaged one says nothing", () => {
  const head = bytes(btoa("\xff\xd8\xff\xe1\0\0Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"));
  assert.equal(orientationOf(head), 6);
  assert.equal(orientationOf(head.slice(0, -8)), 1);
  assert.equal(orientationOf(bytes(btoa("Exif\0\0II*\0\xff\xff\xff\xff"))), 1);
  assert.equal(orientationOf(new Uint8Array()), 1);
});

// Where EXIF puts the stored picture's first row and first column, for those that swap width and height.
for (const [orientation, at] of /** @type {[number, [number, number]][]} */ ([[5, [0, 0]], [6, [2, 0]], [7, [2, 3]], [8, [0, 3]]])) {
  test(`turned back from ${orientation}, the first stored pixel's corner is where it was`, () => {
    const matrix = turnedBack(orientation, {width: 3, height: 2});
    assert.ok(matrix);
    const [a, b, c, d, e, f] = matrix;
    assert.deepEqual([a * at[0] + c * at[1] + e, b * at[0] + d * at[1] + f], [0, 0]);
  });
}

test("what is turned by none or by half needs no other size", () => {
  for (const orientation of [1, 2, 3, 4]) assert.equal(turnedBack(orientation, {width: 3, height: 2}), null);
});
