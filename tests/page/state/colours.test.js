import assert from "node:assert/strict";
import test from "node:test";
import {colour, numberOf} from "../../../cocoannot/web/static/state/colours.js";

test("categories that follow each other differ in hue and in lightness", () => {
  const parts = Array.from({length: 100}, (_, id) => /hsl\((\S+) 85% (\d+)%/.exec(colour(id)) ?? []);
  assert.equal(new Set(parts.map(([all]) => all)).size, 100);
  for (let id = 1; id < 100; id++) {
    const apart = Math.abs(Number(parts[id][1]) - Number(parts[id - 1][1]));
    assert(Math.min(apart, 360 - apart) > 60);
    assert.notEqual(parts[id][2], parts[id - 1][2]);
  }
});

test("what is near in hue differs in lightness", () => {
  const parts = Array.from({length: 80}, (_, id) => /hsl\((\S+) 85% (\d+)%/.exec(colour(id)) ?? []);
  for (let one = 0; one < 80; one++) {
    for (let other = one + 1; other < 80; other++) {
      const apart = Math.abs(Number(parts[one][1]) - Number(parts[other][1]));
      if (Math.min(apart, 360 - apart) < 15) assert.notEqual(parts[one][2], parts[other][2], `${one} and ${other}`);
    }
  }
});

test("there is a colour for everything that a file may hold", () => {
  for (const id of [undefined, null, NaN, -3, 1.5, 2 ** 53, /** @type {any} */ ("x")]) assert.match(colour(id, 0.5), /^hsl\([\d.]+ \d+% \d+% \/ 0.5\)$/);
  assert.notEqual(colour(numberOf("7")), colour(numberOf("new-1")));
});
