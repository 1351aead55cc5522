// What colour an annotation has, what it is called, and how its keypoints are joined: by the person's preferences.

import {colour, numberOf} from "../state/colours.js";
import {skeletonOf} from "../state/skeleton.js";

/** @import {Annotation, Categories, Entry, Key, Preferences} from "../types.js" */

export class Looks {
  /**
   * @param {Preferences} preferences
   * @param {Categories} categories
   */
  constructor(preferences, categories) {
    this.preferences = preferences;
    this.categories = categories;
  }

  /**
   * @param {Key} key
   * @param {Annotation} annotation
   */
  colourOf(key, annotation, alpha = 1) {
    return colour(this.preferences.get("colourBy") === "instance" ? numberOf(key) : annotation.category_id, alpha);
  }

  /** @param {number | null} categoryId */
  colourOfCategory(categoryId, alpha = 1) {
    return colour(categoryId, alpha);
  }

  get fillOpacity() {
    return this.preferences.get("fillOpacity");
  }

  get showLabels() {
    return this.preferences.get("showLabels");
  }

  /** @param {Entry} entry */
  nameOf({annotation}) {
    return this.nameOfCategory(annotation.category_id);
  }

  /** @param {number | undefined} categoryId */
  nameOfCategory(categoryId) {
    return this.categories.nameOf(categoryId);
  }

  /**
   * Pairs of keypoints, counted from 1; what else a file may have there is left out.
   * @param {Pick<Annotation, "category_id">} annotation
   * @returns {[number, number][]}
   */
  skeletonOf({category_id: id}) {
    return skeletonOf((id !== undefined && this.categories.get(id)) || {}).pairs;
  }
}
