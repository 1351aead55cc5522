// What lies above the shapes: what is selected, under the pointer, dragged, drawn, or just changed by somebody else. It has a
// canvas of its own, so that a drag among a thousand shapes draws one of them.

import {draw, handlesAt} from "../shapes/registry.js";
import {colourOfPerson, nameOfPerson} from "../state/people.js";
import {contrast, dot, label, path, penAt, seen, skeletonOf, strokeWithHalo} from "./painting.js";

/** @import {Annotation, Draft, Entry, Key, Point, Session} from "../types.js" */
/** @import {Looks} from "./looks.js" */
/** @import {Stage} from "./stage.js" */

/** How long somebody else's change is outlined, in milliseconds. */
const NOTICE = 1500;

/** Points of an edge that are nearer to one another than this are one, in CSS pixels. */
const LEAST = 1;
/** An edge of more points, that of a large mask with many holes, has a simple line: three wide ones take longer than a frame. */
const MANY = 3000;

/** @typedef {{context: CanvasRenderingContext2D, unit: number, canvas: Parameters<typeof seen>[1], place: (point: Point) => Point}} Brush */

export class Overlay {
  #canvas = document.createElement("canvas");
  /** Painting is due. */
  #due = false;
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
    Object.assign(this.#canvas.style, {position: "absolute", inset: "0", width: "100%", height: "100%", pointerEvents: "none", zIndex: "1"});
    stage.element.append(this.#canvas);
    // In the same frame as the shapes, so that nothing lags behind.
    stage.on("drawn", () => this.#repaint());
  }

  /** Paint soon. */
  render() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => this.#due && this.#repaint());
  }

  clear() {
    this.previews.clear();
    this.#others.clear();
    this.draft = null;
    this.render();
  }

  /** Outlines what somebody else changed, for a short time. @param {Entry[]} entries */
  notice(entries) {
    for (const {key, others} of entries) {
      if (!others || Date.now() - others.at > NOTICE) continue;
      this.#others.set(key, others.user);
      setTimeout(() => {
        this.#others.delete(key);
        this.render();
      }, NOTICE);
    }
  }

  #repaint() {
    this.#due = false;
    const canvas = this.#canvas;
    const unit = devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * unit), Math.round(canvas.clientHeight * unit)];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    if (canvas.width === width && canvas.height === height) context.clearRect(0, 0, width, height);
    else [canvas.width, canvas.height] = [width, height];
    const [centerX, centerY] = this.stage.center;
    const scale = unit * this.stage.zoom;
    const [left, top] = [width / 2 - centerX * scale, height / 2 - centerY * scale];
    this.#paint({context, unit, canvas: {scale, left, top, width, height, least: LEAST * unit}, place: ([x, y]) => [left + x * scale, top + y * scale]});
  }

  /** @param {Brush} brush */
  #paint(brush) {
    this.#paintFrame(brush);
    const {session} = this;
    for (const [key, user] of this.#others) {
      const entry = this.#visible(key);
      if (entry) this.#paintShape(brush, entry, {strong: false, colour: colourOfPerson(user, {bright: true}), words: nameOfPerson(user)});
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
   * @param {{fill?: boolean, strong?: boolean, colour?: string, words?: string}} how
   */
  #paintShape(brush, entry, {colour, ...how}) {
    const annotation = this.previews.get(entry.key) ?? entry.annotation;
    this.#paintAnnotation(brush, annotation, {...how, colour: colour ?? this.looks.colourOf(entry.key, annotation), ground: this.looks.colourOf(entry.key, annotation, this.#ground)});
  }

  /** How much of a colour fills what it surrounds. */
  get #ground() {
    return Math.min(0.5, this.looks.fillOpacity + 0.1);
  }

  /**
   * @param {Brush} brush
   * @param {Annotation} annotation
   * @param {{fill?: boolean, strong?: boolean, colour: string, ground: string, words?: string}} how
   */
  #paintAnnotation({context, unit, canvas, place}, annotation, {fill = false, strong = true, colour, ground, words}) {
    const outline = draw(annotation);
    const rings = outline.edge().map((ring) => seen(ring, canvas));
    path(context, rings, true);
    if (fill) {
      context.fillStyle = ground;
      context.fill("evenodd");
    }
    const isPlain = rings.reduce((sum, ring) => sum + ring.length, 0) > MANY;
    strokeWithHalo(context, colour, unit, {width: strong ? 2.5 : 2, strong, plain: isPlain});
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
  #paintDraft(brush, draft) {
    const {context, unit, place} = brush;
    const {dark, light} = contrast();
    if (draft.shape) {
      const {category_id: id = null} = draft.shape;
      const how = {fill: true, colour: this.looks.colourOfCategory(id), ground: this.looks.colourOfCategory(id, this.#ground)};
      this.#paintAnnotation(brush, draft.shape, how);
    }
    if (draft.pen) penAt(context, place(draft.pen.at), {radius: draft.pen.radius * unit * this.stage.zoom, erases: draft.pen.erases, unit});
    for (const {points, closed, categoryId} of draft.paths) {
      path(context, [points.map(place)], closed);
      strokeWithHalo(context, this.looks.colourOfCategory(categoryId), unit);
    }
    if (draft.box) {
      const [x, y, width, height] = draft.box;
      path(context, [[place([x, y]), place([x + width, y]), place([x + width, y + height]), place([x, y + height])]], true);
      strokeWithHalo(context, this.looks.colourOfCategory(this.session.category), unit, {width: 1.5});
    }
    if (draft.keypoints) {
      const {points, categoryId} = draft.keypoints;
      const placed = points.map((point) => (point ? {...point, at: place([point.x, point.y])} : null));
      skeletonOf(context, placed, this.looks.skeletonOf({category_id: categoryId}), this.looks.colourOfCategory(categoryId), unit);
    }
    draft.handles.forEach((at, i) => {
      // The first corner closes the ring, once there are three.
      const closes = i === 0 && draft.handles.length >= 3;
      dot(context, place(at), {radius: (closes ? 6 : 3.5) * (this.touch ? 1.5 : 1), fill: light, line: dark, unit});
    });
    if (draft.words) {
      const [x, y] = place(draft.words.at);
      // Below the pointer: what is placed is above it more often than not.
      label(context, [x + 14 * unit, y + 32 * unit], draft.words.text, this.looks.colourOfCategory(draft.keypoints?.categoryId ?? this.session.category), unit);
    }
  }
}
