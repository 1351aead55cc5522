// What of the open image is hidden or locked. Keys are of that image; categories stay from image to image.

import {Emitter} from "./emitter.js";

/** @import {Entry, Key} from "../types.js" */

/** @extends {Emitter<{change: undefined}>} */
export class Visibility extends Emitter {
  /** @type {Set<Key>} */
  hiddenKeys = new Set();
  /** @type {Set<Key>} */
  lockedKeys = new Set();
  /** @type {Set<number>} */
  hiddenCategories = new Set();
  /** @type {Set<number>} */
  lockedCategories = new Set();
  allHidden = false;
  onlySelected = false;

  /** Another image is open: keys mean nothing there. */
  forgetKeys() {
    this.hiddenKeys.clear();
    this.lockedKeys.clear();
    this.emit("change");
  }

  /** @param {Key} key */
  toggleHidden(key) {
    this.#toggle(this.hiddenKeys, key);
  }

  /** @param {Key} key */
  toggleLocked(key) {
    this.#toggle(this.lockedKeys, key);
  }

  /** @param {number} id */
  toggleHiddenCategory(id) {
    this.#toggle(this.hiddenCategories, id);
  }

  /** @param {number} id */
  toggleLockedCategory(id) {
    this.#toggle(this.lockedCategories, id);
  }

  toggleAll() {
    this.allHidden = !this.allHidden;
    this.emit("change");
  }

  toggleOnlySelected() {
    this.onlySelected = !this.onlySelected;
    this.emit("change");
  }

  /** What is drawn is to be seen. @param {{category_id?: number}[]} annotations */
  reveal(annotations) {
    const hidden = annotations.filter(({category_id: id}) => id !== undefined && this.hiddenCategories.delete(id));
    if (!hidden.length && !this.allHidden) return;
    this.allHidden = false;
    this.emit("change");
  }

  /** Nothing is hidden any more. */
  showAll() {
    this.hiddenKeys.clear();
    this.hiddenCategories.clear();
    [this.allHidden, this.onlySelected] = [false, false];
    this.emit("change");
  }

  /** Whether something may be hidden, so that who looks for a shape has to be told. */
  get hidesSomething() {
    return this.allHidden || this.onlySelected || this.hiddenKeys.size > 0 || this.hiddenCategories.size > 0;
  }

  /**
   * @param {Entry} entry
   * @param {ReadonlySet<Key>} selection
   */
  isVisible({key, annotation}, selection) {
    if (this.allHidden || this.hiddenKeys.has(key)) return false;
    if (this.onlySelected && !selection.has(key)) return false;
    return annotation.category_id === undefined || !this.hiddenCategories.has(annotation.category_id);
  }

  /** @param {Entry} entry */
  isLocked({key, annotation}) {
    return this.lockedKeys.has(key) || (annotation.category_id !== undefined && this.lockedCategories.has(annotation.category_id));
  }

  /**
   * @template T
   * @param {Set<T>} set
   * @param {T} member
   */
  #toggle(set, member) {
    if (!set.delete(member)) set.add(member);
    this.emit("change");
  }
}
