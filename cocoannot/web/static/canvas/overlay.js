// What lies above the shapes: what is selected, under the pointer, dragged, drawn, or just changed by somebody else. It is
// painted anew with each view; nothing of it is kept in the scene.

import {draw, handlesAt} from "../shapes/registry.js";
import {VectorLayer, VectorSource} from "../vendor/openlayers.js";
import {contrast, dot, label, path, skeletonOf, strokeWithHalo} from "./painting.js";

/** @import {Annotation, Draft, Entry, Key, Point, Session} from "../types.js" */
/** @import {Looks} from "./looks.js" */
/** @import {Stage} from "./stage.js" */

/** How long somebody else's change is outlined, in milliseconds. */
const NOTICE = 1500;

/** @typedef {{context: CanvasRenderingContext2D, unit: number, place: (point: Point) => Point}} Brush */

export class Overlay {
  /** Its source stays empty; the layer is there to be painted on. */
  layer = new VectorLayer({source: new VectorSource(), className: "overlay-layer"});
  /** @type {Map<Key, Annotation>} What is dragged, as it is to be seen meanwhile. */
  previews = new Map();
  /** @type {Draft | null} */
  draft = null;
  /** Whether the tool has handles. */
  handles = true;
  /** A finger needs larger ones. */
  touch = false;
  /** @type {Map<Key, string | null>} Who changed it. */
  #others = new Map();

  /**
   * @param {Session} session
   * @param {Looks} looks
   * @param {Stage} stage
   */
  constructor(session, looks, stage) {
    this.session = session;
    this.looks = looks;
    this.stage = stage;
    this.layer.on("postrender", (event) => {
      const context = /** @type {CanvasRenderingContext2D} */ (event.context);
      const state = event.frameState;
      if (!state) return;
      const [width, height] = state.size;
      const [x0, y0] = state.viewState.center;
      const scale = state.pixelRatio / state.viewState.resolution;
      /** @type {(point: Point) => Point} */
      const place = ([x, y]) => [(width * state.pixelRatio) / 2 + (x - x0) * scale, (height * state.pixelRatio) / 2 + (y + y0) * scale];
      context.save();
      this.#paint({context, unit: state.pixelRatio, place});
      context.restore();
    });
  }

  clear() {
    this.previews.clear();
    this.#others.clear();
    this.draft = null;
  }

  /** Outlines what somebody else changed, for a short time. @param {Entry[]} entries */
  notice(entries) {
    for (const {key, others} of entries) {
      if (!others || Date.now() - others.at > NOTICE) continue;
      this.#others.set(key, others.user);
      setTimeout(() => {
        this.#others.delete(key);
        this.stage.render();
      }, NOTICE);
    }
  }

  /** @param {Brush} brush */
  #paint(brush) {
    this.#paintFrame(brush);
    const {session} = this;
    for (const [key, user] of this.#others) {
      const entry = this.#visible(key);
      if (entry) this.#paintShape(brush, entry, {dash: [8, 5], words: user ? `changed by ${user}` : "changed by somebody else"});
    }
    const hovered = session.hovered !== null && !session.selection.has(session.hovered) ? this.#visible(session.hovered) : null;
    if (hovered) this.#paintShape(brush, hovered, {strong: false});
    const selected = new Set([...session.selection, ...this.previews.keys()]);
    for (const key of selected) {
      const entry = this.#visible(key);
      if (entry) this.#paintShape(brush, entry, {fill: true});
    }
    if (this.handles && selected.size === 1) this.#paintHandles(brush, [...selected][0]);
    if (this.draft) this.#paintDraft(brush, this.draft);
  }

  /** @param {Key} key */
  #visible(key) {
    const entry = this.session.entries.get(key);
    return entry && !entry.broken && this.session.isVisible(entry) ? entry : null;
  }

  /** Where the picture ends, also where it is white, black or missing. @param {Brush} brush */
  #paintFrame({context, unit, place}) {
    const {width, height} = this.stage.frame;
    const [[left, top], [right, bottom]] = [place([0, 0]), place([width, height])];
    context.lineWidth = unit;
    context.strokeStyle = "rgb(128 128 128 / 0.6)";
    context.strokeRect(left - unit / 2, top - unit / 2, right - left + unit, bottom - top + unit);
  }

  /**
   * @param {Brush} brush
   * @param {Entry} entry
   * @param {{fill?: boolean, strong?: boolean, dash?: number[], words?: string}} how
   */
  #paintShape({context, unit, place}, entry, {fill = false, strong = true, dash, words}) {
    const annotation = this.previews.get(entry.key) ?? entry.annotation;
    const outline = draw(annotation);
    const colour = this.looks.colourOf(entry.key, annotation);
    const rings = outline.edge().map((ring) => ring.map(place));
    path(context, rings, true);
    if (fill) {
      context.fillStyle = this.looks.colourOf(entry.key, annotation, Math.min(0.5, this.looks.fillOpacity + 0.1));
      context.fill("evenodd");
    }
    strokeWithHalo(context, colour, unit, {width: strong ? 2.5 : 2, strong, dash});
    const points = outline.keypoints.map((point) => (point ? {...point, at: place([point.x, point.y])} : null));
    if (points.some(Boolean)) skeletonOf(context, points, this.looks.skeletonOf(annotation), colour, unit);
    if (words && rings[0]?.[0]) label(context, rings[0][0], words, colour, unit);
  }

  /**
   * @param {Brush} brush
   * @param {Key} key
   */
  #paintHandles({context, unit, place}, key) {
    const entry = this.#visible(key);
    if (!entry || this.session.isLocked(entry)) return;
    const annotation = this.previews.get(key) ?? entry.annotation;
    const colour = this.looks.colourOf(key, annotation);
    const {dark, light} = contrast();
    const large = this.touch ? 1.6 : 1;
    for (const {kind, at} of handlesAt(annotation, this.stage.zoom)) {
      const middle = kind === "middle" || kind === "edge";
      dot(context, place(at), {radius: (middle ? 3 : 4.5) * large, fill: middle ? colour : light, line: dark, unit});
      if (!middle) dot(context, place(at), {radius: 2.2 * large, fill: colour, line: colour, unit, width: 0.5});
    }
  }

  /**
   * @param {Brush} brush
   * @param {Draft} draft
   */
  #paintDraft({context, unit, place}, draft) {
    const {dark, light} = contrast();
    for (const {points, closed, categoryId} of draft.paths) {
      path(context, [points.map(place)], closed);
      strokeWithHalo(context, this.looks.colourOfCategory(categoryId), unit);
    }
    if (draft.box) {
      const [x, y, width, height] = draft.box;
      path(context, [[place([x, y]), place([x + width, y]), place([x + width, y + height]), place([x, y + height])]], true);
      strokeWithHalo(context, this.looks.colourOfCategory(this.session.category), unit, {width: 1.5});
    }
    draft.handles.forEach((at, i) => {
      // The first corner closes the ring, once there are three.
      const closes = i === 0 && draft.handles.length >= 3;
      dot(context, place(at), {radius: (closes ? 6 : 3.5) * (this.touch ? 1.5 : 1), fill: light, line: dark, unit});
    });
  }
}
