// The dialog of one category: its name and supercategory, the names of its keypoints, and which of these are joined. Where the
// server refuses, what was typed is still there. All that was changed is one change, and one undo.

import {PERSON, parse, skeletonOf, textOf} from "../state/skeleton.js";
import {el} from "./dom.js";
import {fillIn} from "./fields.js";
import {nameOr} from "./words.js";

/** @import {Categories, Category} from "../types.js" */

/**
 * @param {Categories} categories
 * @param {Category} category
 */
export function editCategory(categories, category) {
  const {names, pairs} = textOf(skeletonOf(category));
  const before = {name: nameOr(category.name, ""), group: nameOr(category.supercategory, ""), names, pairs};
  const person = el("button", {type: "button", class: "quiet", onclick: () => fillWith(person, textOf(PERSON))}, "The 17 of COCO's person");
  return fillIn(`Category ${before.name}`, {
    className: "category-dialog",
    fields: [
      {name: "name", label: "Name", value: before.name},
      {name: "group", label: "Supercategory", value: before.group, optional: true},
      {name: "names", label: "Keypoints, one name a line", value: names, lines: 6, optional: true},
      {name: "pairs", label: "Skeleton, one line for each two that are joined", value: pairs, lines: 5, optional: true, note: "As in: left elbow - left wrist"},
    ],
    buttons: [person],
    action: "Save",
    submit: async (typed) => {
      const changes = changesOf(before, {name: typed.name, group: typed.group.trim(), names: typed.names, pairs: typed.pairs});
      if (Object.keys(changes).length) await categories.update(category.id, changes);
    },
  });
}

/** @typedef {{name: string, group: string, names: string, pairs: string}} Texts */

/**
 * Fields that are other. Throws an Error that says what is wrong.
 * @param {Texts} before
 * @param {Texts} after
 */
function changesOf(before, after) {
  /** @type {Record<string, unknown>} */
  const changes = {};
  if (after.name !== before.name) changes.name = after.name;
  if (after.group !== before.group) changes.supercategory = after.group || "none";
  if (after.names === before.names && after.pairs === before.pairs) return changes;
  const {names, pairs} = parse(after);
  if (after.names !== before.names) changes.keypoints = names.length ? names : null;
  // Numbers of the skeleton mean other names where those have moved.
  if (after.pairs !== before.pairs || after.names !== before.names) changes.skeleton = names.length ? pairs : null;
  return changes;
}

/**
 * @param {HTMLElement} button of the form
 * @param {{names: string, pairs: string}} text
 */
function fillWith(button, text) {
  const form = /** @type {HTMLFormElement} */ (button.closest("form"));
  for (const [name, value] of Object.entries(text)) /** @type {HTMLTextAreaElement} */ (form.elements.namedItem(name)).value = value;
}
