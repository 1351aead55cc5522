// One stroke of the brush on its way: what the mask is with it.

import {distance} from "../geometry/polygons.js";
import {combined, empty, filledTogether, stroked} from "../geometry/spans.js";

/** @import {Annotation, Entry, Key, Point} from "../types.js" */
/** @import {Spans} from "../geometry/spans.js" */

/** A pointer that has gone less far has gone nowhere; in pixels of the picture. */
const LEAST = 0.25;

export class Stroke {
  /** @type {Point[]} */
  points;
  /** @type {Key | null} */
  key;
  /** @type {Annotation | null} As it was when the stroke began. */
  annotation;

  /**
   * @param {Point} at Where it begins.
   * @param {{size: [height: number, width: number], radius: number, erases: boolean, encloses: boolean, image: number | null}} options
   * @param {Entry | null} entry What is painted on.
   * @param {Spans} [before] What it covers; nothing where there is none.
   */
  constructor(at, {size, radius, erases, encloses, image}, entry, before = empty(size)) {
    this.points = [at];
    this.size = size;
    this.radius = radius;
    this.erases = erases;
    this.encloses = encloses;
    this.image = image;
    this.key = entry?.key ?? null;
    this.annotation = entry?.annotation ?? null;
    this.before = before;
    this.spans = stroked(before, [at], radius, this.#operation);
  }

  /** The pen goes on to a point. @param {Point} at */
  lead(at) {
    const last = /** @type {Point} */ (this.points.at(-1));
    if (distance(last, at) < LEAST) return;
    this.points.push(at);
    this.spans = stroked(this.spans, [last, at], this.radius, this.#operation);
  }

  /** The pen is lifted. */
  close() {
    if (this.encloses && this.points.length > 2) this.spans = combined(this.spans, filledTogether([this.points], this.size), this.#operation);
  }

  get #operation() {
    return this.erases ? "difference" : "union";
  }
}
