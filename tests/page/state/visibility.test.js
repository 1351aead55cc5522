import assert from "node:assert/strict";
import test from "node:test";
import {Visibility} from "../../../cocoannot/web/static/state/visibility.js";

/** @import {Entry} from "../../../cocoannot/web/static/types.js" */

const entry = (/** @type {string} */ key, /** @type {number | undefined} */ category_id) => /** @type {Entry} */ ({key, annotation: {id: 1, image_id: 1, category_id}});
const NONE = new Set();

test("hidden is what its row, its category, or all is", () => {
  const visibility = new Visibility();
  let told = 0;
  visibility.on("change", () => (told += 1));
  visibility.toggleHidden("7");
  assert(!visibility.isVisible(entry("7", 1), NONE));
  assert(visibility.isVisible(entry("8", 1), NONE));
  visibility.toggleHiddenCategory(1);
  assert(!visibility.isVisible(entry("8", 1), NONE));
  assert(visibility.isVisible(entry("9", undefined), NONE));
  visibility.toggleAll();
  assert(!visibility.isVisible(entry("9", undefined), NONE));
  assert(visibility.hidesSomething);
  visibility.showAll();
  assert(visibility.isVisible(entry("7", 1), NONE));
  assert(!visibility.hidesSomething);
  assert.equal(told, 4);
});

test("only the selected are seen where that is wanted", () => {
  const visibility = new Visibility();
  visibility.toggleOnlySelected();
  assert(visibility.isVisible(entry("7", 1), new Set(["7"])));
  assert(!visibility.isVisible(entry("8", 1), new Set(["7"])));
});

test("another image keeps the categories that are hidden or locked, and nothing else", () => {
  const visibility = new Visibility();
  visibility.toggleHidden("7");
  visibility.toggleLocked("8");
  visibility.toggleLockedCategory(2);
  visibility.toggleHiddenCategory(3);
  visibility.forgetKeys();
  assert(visibility.isVisible(entry("7", 1), NONE));
  assert(!visibility.isVisible(entry("7", 3), NONE));
  assert(!visibility.isLocked(entry("8", 1)));
  assert(visibility.isLocked(entry("8", 2)));
});
