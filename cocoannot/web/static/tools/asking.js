// Which keypoints are asked for, one after another, and what was answered. Where they come from and what becomes of them is the
// keypoint tool's.

import {pointsOf} from "../shapes/keypoints.js";

/** @import {Entry, Key, ToolContext} from "../types.js" */
/** @import {Keypoint} from "../shapes/types.js" */

export class Asking {
  /** How many of `order` are answered. */
  #answered = 0;

  /**
   * @param {object} about
   * @param {number | null} about.image The image that they are on.
   * @param {Key | null} about.key Of the annotation that gets them; `null`: a new one.
   * @param {number} about.categoryId
   * @param {string[]} about.names
   * @param {(Keypoint | null)[]} about.points Those that there are already; the others are asked for.
   */
  constructor({image, key, categoryId, names, points}) {
    this.image = image;
    this.key = key;
    this.categoryId = categoryId;
    this.names = names;
    this.points = [...points];
    this.order = points.flatMap((point, i) => (point ? [] : [i]));
  }

  get isBegun() {
    return this.#answered > 0;
  }

  get isDone() {
    return this.#answered >= this.order.length;
  }

  /** How many have been answered. */
  get count() {
    return this.#answered;
  }

  /** Whether one that was asked for is there. */
  get hasAny() {
    return this.order.some((place) => this.points[place]);
  }

  /** The one that is asked for, with its number from 1 and of how many; `null` where all are answered. */
  get next() {
    if (this.isDone) return null;
    const place = this.order[this.#answered];
    return {name: this.names[place], number: place + 1, of: this.points.length};
  }

  /**
   * Gives whether there was something to answer.
   * @param {Keypoint | null} point `null`: it is not there.
   */
  answer(point) {
    if (this.isDone) return false;
    this.points[this.order[this.#answered]] = point;
    this.#answered += 1;
    return true;
  }

  /** Gives whether there was an answer to take back. */
  takeBack() {
    if (!this.isBegun) return false;
    this.#answered -= 1;
    this.points[this.order[this.#answered]] = null;
    return true;
  }

  /** The last answer lies elsewhere. @param {number} x @param {number} y */
  moveLast(x, y) {
    const place = this.order[this.#answered - 1];
    const point = this.points[place];
    if (point) this.points[place] = {...point, x, y};
  }
}

/**
 * What is to be asked now: what the selected annotation lacks, else the keypoints of the next shape; `null` where its category has none.
 * @param {Pick<ToolContext, "session" | "categories">} context
 * @param {Key | null} finished Of an annotation that is selected, and not to be asked for any more.
 */
export function ask({session, categories}, finished) {
  const [key, ...others] = session.selection;
  const found = key === undefined || others.length || key === finished ? undefined : session.entries.get(key);
  const entry = found && !found.broken && !session.isLocked(found) && lacksSome(found, categories) ? found : null;
  const categoryId = entry?.annotation.category_id ?? session.category;
  const names = categories.keypointsOf(categoryId);
  if (categoryId === null || !names.length || !session.isThere) return null;
  const known = entry ? pointsOf(entry.annotation) : [];
  return new Asking({image: session.id, key: entry?.key ?? null, categoryId, names, points: known.length ? known : Array(names.length).fill(null)});
}

/**
 * Whether the entry's category has keypoints of which it lacks some.
 * @param {Entry} entry
 * @param {ToolContext["categories"]} categories
 */
function lacksSome({annotation}, categories) {
  const count = categories.keypointsOf(annotation.category_id ?? null).length;
  const points = pointsOf(annotation);
  return points.length ? points.length === count && points.includes(null) : count > 0;
}
