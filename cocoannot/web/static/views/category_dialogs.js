// Adding and deleting a category, by asking. Where the server refuses, what was typed is still there.

import {ApiError, messageOf} from "../net/api.js";
import {colour} from "../state/colours.js";
import {choose, confirm, prompt} from "./dialogs.js";
import {el} from "./dom.js";
import {pickCategory} from "./palette.js";
import {toast} from "./toasts.js";
import {nameOr, plural} from "./words.js";

/** @import {Categories, Category} from "../types.js" */

/**
 * The id of the new category; `null` where the user changed their mind.
 * @param {Categories} categories
 * @param {string} [value] what stands in the field at first
 * @returns {Promise<number | null>}
 */
export async function addCategory(categories, value = "") {
  let id = /** @type {number | null} */ (null);
  await prompt("New category", {
    label: "Name",
    value,
    action: "Add",
    submit: async (name) => {
      id = (await categories.add(name)).id;
    },
  });
  return id;
}

/**
 * One that is in use goes after its annotations have got another category.
 * @param {Categories} categories
 * @param {Category} category
 */
export async function deleteCategory(categories, category) {
  const name = nameOr(category.name, `category ${category.id}`);
  const count = category._annotation_count;
  if (!count) {
    if (await confirm(`Delete ${name}?`, "No annotation uses it.", "Delete", {danger: true})) await orSay(name, categories.remove(category.id));
    return;
  }
  const others = categories.all().filter(({id}) => id !== category.id);
  const text = `${plural(count, "annotation")} use${count === 1 ? "s" : ""} it.${others.length ? " They can get another category first." : " Delete them first: there is no other category."}`;
  const choices = others.length ? [{value: true, text: "Choose another category", primary: true}] : [];
  const answer = await choose(`Delete ${name}?`, el("p", {}, text), [{value: null, text: "Cancel"}, ...choices]);
  if (!answer) return;
  const target = await pickCategory(`What shall “${name}” become?`, {categories: others, recent: categories.recent, colourOf: (id) => colour(id)});
  if (target === null) return;
  const sure = await confirm(`Delete ${name}?`, `${plural(count, "annotation")} will be ${categories.nameOf(target)}.`, "Move them and delete", {
    danger: true,
  });
  if (sure) await orSay(name, categories.reassign(category.id, target));
}

/**
 * @param {string} name
 * @param {Promise<unknown>} deletion
 */
async function orSay(name, deletion) {
  try {
    await deletion;
  } catch (error) {
    const inUse = error instanceof ApiError && error.status === 409;
    toast(`“${name}” was not deleted: ${inUse ? "somebody has just begun to use it. Delete it again to choose another category first" : messageOf(error)}.`, {error: true});
  }
}
