// Predictions, dashed, on a canvas of their own below what is selected and drawn: those that an annotation covers are dim, the one that
// is meant has its name and score beside it.

import {draw} from "../shapes/registry.js";
import {contrast, label, path, skeletonOf} from "./painting.js";

/** @import {Point, Prediction} from "../types.js" */
/** @import {Predictions} from "../state/predictions.js" */
/** @import {Looks} from "./looks.js" */
/** @import {Stage} from "./stage.js" */

const DIM = 0.4;

export class Dashed {
  #canvas = document.createElement("canvas");
  #due = false;

  /**
   * @param {Predictions} predictions
   * @param {Looks} looks
   * @param {Stage} stage
   * @param {() => boolean} isOpen whether what is seen is the image that they are of
   */
  constructor(predictions, looks, stage, isOpen) {
    this.predictions = predictions;
    this.looks = looks;
    this.stage = stage;
    this.isOpen = isOpen;
    Object.assign(this.#canvas.style, {position: "absolute", inset: "0", width: "100%", height: "100%", pointerEvents: "none", zIndex: "1"});
    this.#canvas.className = "dashed";
    stage.element.append(this.#canvas);
    stage.on("drawn", () => this.#repaint());
    for (const event of /** @type {const} */ (["change", "current"])) predictions.on(event, () => this.render());
  }

  /** Paint soon. */
  render() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => this.#due && this.#repaint());
  }

  #repaint() {
    this.#due = false;
    const canvas = this.#canvas;
    const unit = devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * unit), Math.round(canvas.clientHeight * unit)];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    if (canvas.width === width && canvas.height === height) context.clearRect(0, 0, width, height);
    else [canvas.width, canvas.height] = [width, height];
    if (!this.isOpen()) return;
    const [centerX, centerY] = this.stage.center;
    const scale = unit * this.stage.zoom;
    /** @type {(point: Point) => Point} */
    const place = ([x, y]) => [width / 2 + (x - centerX) * scale, height / 2 + (y - centerY) * scale];
    const {open, current} = this.predictions;
    // The surest last, above the others, and above all the one that is meant.
    for (const each of [...open].reverse()) if (each !== current) this.#paint(context, each, place, unit, false);
    if (current) this.#paint(context, current, place, unit, true);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Prediction} prediction
   * @param {(point: Point) => Point} place
   * @param {number} unit
   * @param {boolean} isCurrent
   */
  #paint(context, {annotation, score, covered}, place, unit, isCurrent) {
    const outline = draw(annotation);
    const colour = this.looks.colourOfCategory(annotation.category_id ?? null);
    const rings = outline.edge().map((ring) => ring.map(place));
    const {dark, light} = contrast();
    context.save();
    context.globalAlpha = covered && !isCurrent ? DIM : 1;
    path(context, rings, true);
    if (isCurrent) {
      context.fillStyle = this.looks.colourOfCategory(annotation.category_id ?? null, 0.15);
      context.fill("evenodd");
    }
    context.lineJoin = "round";
    const lines = /** @type {[string, number][]} */ ([[dark, isCurrent ? 5 : 3.5], [isCurrent ? light : dark, isCurrent ? 3.5 : 3.5], [colour, isCurrent ? 2.5 : 1.75]]);
    context.setLineDash([7 * unit, 5 * unit]);
    for (const [style, wide] of lines) {
      context.strokeStyle = style;
      context.lineWidth = wide * unit;
      context.stroke();
    }
    const points = outline.keypoints.map((point) => (point ? {...point, at: place([point.x, point.y])} : null));
    if (points.some(Boolean)) skeletonOf(context, points, this.looks.skeletonOf(annotation), colour, unit);
    context.setLineDash([]);
    const corner = rings[0]?.reduce((one, other) => [Math.min(one[0], other[0]), Math.min(one[1], other[1])]);
    if (corner && (isCurrent || this.looks.showLabels)) label(context, corner, `${this.looks.nameOfCategory(annotation.category_id)} ${scoreText(score)}`, colour, unit);
    context.restore();
  }
}

/** @param {number} score */
export const scoreText = (score) => score.toFixed(2);
