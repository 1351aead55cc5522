import assert from "node:assert/strict";
import test from "node:test";
import {Preferences} from "../../../cocoannot/web/static/state/preferences.js";

/** @param {string | null} kept */
function storage(kept) {
  return {getItem: () => kept, setItem: (/** @type {string} */ _name, /** @type {string} */ value) => void (kept = value)};
}

test("what was set is there the next time, and told once", () => {
  const place = storage(null);
  const preferences = new Preferences(place);
  /** @type {string[]} */
  const told = [];
  preferences.on("change", (name) => told.push(name));
  preferences.set("brightness", 1.4);
  preferences.set("brightness", 1.4);
  assert.deepEqual(told, ["brightness"]);
  assert.equal(new Preferences(place).get("brightness"), 1.4);
  preferences.reset("brightness");
  assert.equal(new Preferences(place).get("brightness"), 1);
});

test("a storage that is broken, forbidden or of another version does no harm", () => {
  for (const kept of ["{", "null", '"x"', '{"brightness":"dark","keys":null,"unknown":1}']) assert.equal(new Preferences(storage(kept)).get("brightness"), 1, kept);
  const forbidden = {getItem: () => { throw new Error("forbidden"); }, setItem: () => { throw new Error("full"); }};
  const preferences = new Preferences(forbidden);
  preferences.set("contrast", 2);
  assert.equal(preferences.get("contrast"), 2);
});
