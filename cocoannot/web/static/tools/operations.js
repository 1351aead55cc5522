// What can be made of the shapes that are selected: joined, subtracted, turned into boxes, polygons and masks. The one that
// was selected first is the one that stays. Each is one change. It may take a while; what changed meanwhile stays as it is.

import {heavy} from "../geometry/heavy.js";
import {frameOf} from "../geometry/placing.js";
import {bounds, kindOf} from "../shapes/registry.js";
import {corners} from "../shapes/box.js";
import {changeable} from "./aim.js";
import {mayDraw} from "./may_draw.js";

/** @import {Annotation, Entry, Key, ToolContext} from "../types.js" */
/** @import {Segmentation, Size} from "../geometry/covering.js" */
/** @import {Changes, Kind} from "../shapes/types.js" */

/** @type {(Kind | null)[]} */
const AREAS = ["box", "polygon", "mask"];

/**
 * The outline of a box, polygon or mask, as COCO has it.
 * @param {Annotation} annotation
 * @returns {Segmentation}
 */
export function segmentationOf(annotation) {
  if (kindOf(annotation) !== "box") return /** @type {Segmentation} */ (annotation.segmentation);
  return [corners(/** @type {import("../shapes/types.js").Bounds} */ (bounds(annotation))).flat()];
}

/**
 * The entries that are selected, can be changed and have an area.
 * @param {import("../types.js").Session} session
 */
export const areas = (session) => changeable(session).filter(({annotation}) => AREAS.includes(kindOf(annotation)));

/**
 * [height, width] of the open image; `null` where its record has none in whole pixels.
 * @param {import("../types.js").Session} session
 * @returns {Size | null}
 */
export function sizeOf(session) {
  const {width, height} = frameOf(session.image);
  return Number.isInteger(width) && Number.isInteger(height) ? [height, width] : null;
}

/**
 * What is worked on. The answer to one's own change makes it another object with the same outline; its `bbox` may be
 * another one, since the server works that out.
 * @param {Annotation | undefined} annotation
 */
const saying = (annotation) => annotation && JSON.stringify([segmentationOf(annotation), annotation.category_id]);

/**
 * What a heavy task gives for entries; `null` where it can't be done, or they are others meanwhile: then it is said.
 * @template Found
 * @param {Pick<ToolContext, "session" | "view">} context
 * @param {Entry[]} entries
 * @param {(size: Size) => Promise<Found>} work
 * @returns {Promise<Found | null>}
 */
export async function worked({session, view}, entries, work) {
  const size = sizeOf(session);
  if (!size) {
    view.say("This image's record has no width and height in whole pixels: nothing can be worked out on it");
    return null;
  }
  const before = entries.map(({annotation}) => saying(annotation));
  try {
    const found = await work(size);
    if (entries.every(({key}, i) => saying(session.entries.get(key)?.annotation) === before[i])) return found;
    view.say("Not done: what was selected has changed meanwhile. Try again");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    view.say(`Not done: ${error.message}`);
  }
  return null;
}

export class Operations {
  /** @param {Pick<ToolContext, "session" | "view">} context */
  constructor(context) {
    this.context = context;
  }

  /** How many shapes are there to work on. */
  get count() {
    return areas(this.context.session).length;
  }

  /** Whether one of them is of another kind. @param {Kind} kind */
  canBecome(kind) {
    return areas(this.context.session).some(({annotation}) => kindOf(annotation) !== kind);
  }

  /** All into the first one; the others go. */
  join() {
    return this.#combine("union", (first, others, segmentation) => {
      this.context.session.replace(first.key, {segmentation}, {removed: others.map(({key}) => key)});
    });
  }

  /** The others are cut out of the first one, and stay. */
  subtract() {
    return this.#combine("difference", (first, _, segmentation) => {
      const isSame = JSON.stringify(segmentation) === JSON.stringify(first.annotation.segmentation);
      if (isSame) this.context.view.say("They do not overlap: nothing is cut off");
      else this.context.session.update(first.key, {segmentation});
    });
  }

  /** What all the others cover of the first one. */
  intersect() {
    return this.#combine("intersection", (first, _, segmentation) => this.context.session.update(first.key, {segmentation}));
  }

  toBoxes() {
    const {session} = this.context;
    const entries = areas(session).filter(({annotation}) => kindOf(annotation) !== "box");
    if (!entries.length || !mayDraw(this.context)) return;
    session.updateMany(entries.flatMap(({key, annotation}) => {
      const around = bounds(annotation);
      return around ? [/** @type {[Key, Changes]} */ ([key, {segmentation: [], bbox: [around[0], around[1], around[2] - around[0], around[3] - around[1]]}])] : [];
    }));
  }

  /** Masks with holes stay masks: a polygon has none. */
  async toPolygons() {
    const found = await this.#turned("polygon", (segmentation, size) => heavy("toPolygons", segmentation, size));
    const whole = found.filter(([, made]) => made?.holes === 0);
    const holes = found.length - whole.length;
    if (holes) this.context.view.say(`${holes === 1 ? "A mask has" : `${holes} masks have`} holes, which polygons can't have. Fill them with the brush (R, then G), or keep the mask`);
    this.#keep(whole.map(([key, made]) => [key, made?.polygons ?? null]));
  }

  async toMasks() {
    this.#keep(await this.#turned("mask", (segmentation, size) => heavy("toMask", segmentation, size)));
  }

  /** @param {[Key, Segmentation | null][]} found */
  #keep(found) {
    const changes = found.flatMap(([key, segmentation]) => (segmentation ? [/** @type {[Key, Changes]} */ ([key, {segmentation}])] : []));
    if (changes.length) this.context.session.updateMany(changes);
    if (changes.length < found.length) this.context.view.say("What covers no pixel stays as it is");
  }

  /**
   * @template Made
   * @param {Kind} kind
   * @param {(segmentation: Segmentation, size: Size) => Promise<Made>} make
   * @returns {Promise<[Key, Made][]>}
   */
  async #turned(kind, make) {
    const {session} = this.context;
    const entries = areas(session).filter(({annotation}) => kindOf(annotation) !== kind);
    if (!entries.length || !mayDraw(this.context)) return [];
    const found = await worked(this.context, entries, (size) => Promise.all(entries.map(({annotation}) => make(segmentationOf(annotation), size))));
    return found ? found.map((made, i) => [entries[i].key, made]) : [];
  }

  /**
   * @param {"union" | "difference" | "intersection"} operation
   * @param {(first: Entry, others: Entry[], segmentation: Segmentation) => void} keep
   */
  async #combine(operation, keep) {
    const {session, view} = this.context;
    const entries = areas(session);
    if (entries.length < 2 || !mayDraw(this.context)) return;
    const [first, ...others] = entries;
    const given = others.map(({annotation}) => segmentationOf(annotation));
    // Whether nothing is left is told apart from whether it could not be done.
    const found = await worked(this.context, entries, async (size) => ({made: await heavy("combined", segmentationOf(first.annotation), given, operation, size)}));
    if (!found) return;
    if (!found.made) return view.say("Nothing would be left: delete the annotation instead");
    keep(first, others, found.made);
    session.select([first.key]);
  }
}
