// All annotations of the image, one feature each, as they look while nobody touches them. A changed entry touches its own
// feature and no other. What is selected, dragged or drawn lies above, and is not known here.

import {bounds, draw, size} from "../shapes/registry.js";
import {Circle, Feature, Fill, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon, Stroke, Style, VectorLayer, VectorSource} from "../vendor/openlayers.js";
import {imageOf} from "./masks.js";
import {contrast, label} from "./painting.js";

/** @import {FeatureLike} from "ol/Feature.js" */
/** @import {Entry, Key, Session} from "../types.js" */
/** @import {Point as Pixel} from "../types.js" */
/** @import {Bounds, Outline} from "../shapes/types.js" */
/** @import {Looks} from "./looks.js" */

/** Shapes that are smaller than this on the screen have thin lines; their labels are left out. In CSS pixels. */
const TINY = 24;

/**
 * @typedef {object} Drawn What one feature shows.
 * @property {Entry} entry
 * @property {Outline} outline
 * @property {Bounds} box
 * @property {number} size
 * @property {{thin: Style[], usual: Style[]} | null} styles
 */

export class Scene {
  #source = new VectorSource({wrapX: false});
  layer = new VectorLayer({source: this.#source, style: (feature, resolution) => this.#styles(feature, resolution), renderOrder: (one, other) => drawnBy(other).size - drawnBy(one).size});
  /** @type {Map<Key, Feature>} */
  #features = new Map();
  /** @type {Set<Key>} Shown elsewhere as long as they are dragged. */
  #away = new Set();
  /** How many features were made or changed since the start, for those who measure. */
  touched = 0;

  /**
   * @param {Session} session
   * @param {Looks} looks
   */
  constructor(session, looks) {
    this.session = session;
    this.looks = looks;
  }

  clear() {
    this.#features.clear();
    this.#away.clear();
    this.#source.clear(true);
  }

  /** @param {Entry[]} entries */
  setAll(entries) {
    const added = entries.flatMap((entry) => this.#set(entry) ?? []);
    this.#source.addFeatures(added);
  }

  /** @param {Iterable<Key>} keys */
  remove(keys) {
    for (const key of keys) {
      const feature = this.#features.get(key);
      if (feature) this.#source.removeFeature(feature);
      this.#features.delete(key);
    }
  }

  /** Colours, names or opacity are others now. */
  restyle() {
    for (const feature of this.#features.values()) drawnBy(feature).styles = null;
    this.layer.changed();
  }

  /** What is visible is something else now. */
  refresh() {
    this.layer.changed();
  }

  /**
   * @param {Key} key
   * @param {boolean} away
   */
  setAway(key, away) {
    if (this.#away.has(key) === away) return;
    if (away) this.#away.add(key);
    else this.#away.delete(key);
    this.#features.get(key)?.changed();
  }

  /**
   * Gives a feature that is new.
   * @param {Entry} entry
   */
  #set(entry) {
    const box = entry.broken ? null : bounds(entry.annotation);
    const known = this.#features.get(entry.key);
    if (!box) return void this.remove([entry.key]);
    this.touched += 1;
    const outline = draw(entry.annotation);
    /** @type {Drawn} */
    const drawn = {entry, outline, box, size: size(entry.annotation), styles: null};
    const feature = known ?? new Feature();
    // Quietly: the geometry that follows tells.
    feature.set("drawn", drawn, true);
    feature.setGeometry(outline.rings.length ? new MultiPolygon(outline.rings.map((ring) => [closed(ring)])) : new Polygon([closed(cornersOf(box))]));
    if (known) return undefined;
    this.#features.set(entry.key, feature);
    return feature;
  }

  /**
   * @param {FeatureLike} feature
   * @param {number} resolution
   */
  #styles(feature, resolution) {
    const drawn = drawnBy(feature);
    if (this.#away.has(drawn.entry.key) || !this.session.isVisible(drawn.entry)) return undefined;
    drawn.styles ??= {thin: this.#stylesOf(drawn, true), usual: this.#stylesOf(drawn, false)};
    const [left, top, right, bottom] = drawn.box;
    return Math.max(right - left, bottom - top) / resolution < TINY ? drawn.styles.thin : drawn.styles.usual;
  }

  /**
   * @param {Drawn} drawn
   * @param {boolean} thin
   */
  #stylesOf({entry, outline, box}, thin) {
    const {looks} = this;
    const {key, annotation} = entry;
    const colour = looks.colourOf(key, annotation);
    const styles = [];
    if (outline.rings.length) {
      const isBox = outline.rings.length === 1 && outline.rings[0].length === 4 && !annotation.segmentation?.toString();
      styles.push(new Style({
        stroke: new Stroke({color: colour, width: thin ? 1 : 2, lineDash: entry.pending ? [6, 3] : undefined}),
        fill: new Fill({color: looks.colourOf(key, annotation, isBox ? looks.fillOpacity / 2 : looks.fillOpacity)}),
      }));
    }
    if (outline.mask) styles.push(maskStyle(outline.mask, box, colour, looks.fillOpacity));
    if (outline.keypoints.some(Boolean)) styles.push(...keypointStyles(outline, looks.skeletonOf(annotation), colour));
    if (looks.showLabels && !thin) styles.push(labelStyle([box[0], box[1]], looks.nameOf(entry), colour));
    return styles;
  }
}

const drawnBy = (/** @type {FeatureLike} */ feature) => /** @type {Drawn} */ (feature.get("drawn"));
/** @type {(point: Pixel) => Pixel} */
const up = ([x, y]) => [x, -y];
const closed = (/** @type {Pixel[]} */ ring) => [...ring, ring[0]].map(up);
/** @type {(box: Bounds) => Pixel[]} */
const cornersOf = ([left, top, right, bottom]) => [[left, top], [right, top], [right, bottom], [left, bottom]];

/**
 * @param {import("../shapes/types.js").Mask} mask
 * @param {Bounds} box
 * @param {string} colour
 * @param {number} opacity
 */
function maskStyle(mask, box, colour, opacity) {
  return new Style({
    renderer(coordinates, {context}) {
      const ring = /** @type {Pixel[][]} */ (coordinates)[0];
      const [xs, ys] = [ring.map(([x]) => x), ring.map(([, y]) => y)];
      const [left, top] = [Math.min(...xs), Math.min(...ys)];
      context.save();
      context.imageSmoothingEnabled = false;
      context.translate(left, top);
      context.transform(0, 1, 1, 0, 0, 0);
      context.drawImage(imageOf(mask, box, colour, opacity), 0, 0, Math.max(...ys) - top, Math.max(...xs) - left);
      context.restore();
    },
  });
}

/**
 * Those that are hidden in the picture are hollow.
 * @param {Outline} outline
 * @param {[number, number][]} skeleton
 * @param {string} colour
 */
function keypointStyles({keypoints}, skeleton, colour) {
  const {light} = contrast();
  const lines = new MultiLineString(skeleton.flatMap(([from, to]) => {
    const [one, other] = [keypoints[from - 1], keypoints[to - 1]];
    return one && other ? [[up([one.x, one.y]), up([other.x, other.y])]] : [];
  }));
  /** @type {(visible: boolean, fill: string, line: string) => Style} */
  const dots = (visible, fill, line) => new Style({
    geometry: new MultiPoint(keypoints.flatMap((point) => (point && (point.visible === 2) === visible ? [up([point.x, point.y])] : []))),
    image: new Circle({radius: 4, fill: new Fill({color: fill}), stroke: new Stroke({color: line, width: 1.5})}),
  });
  return [
    new Style({geometry: lines, stroke: new Stroke({color: light, width: 3.5})}),
    new Style({geometry: lines, stroke: new Stroke({color: colour, width: 1.5})}),
    dots(true, colour, light),
    dots(false, light, colour),
  ];
}

/**
 * Above all shapes.
 * @param {Pixel} at
 * @param {string} words
 * @param {string} colour
 */
function labelStyle(at, words, colour) {
  return new Style({
    geometry: new Point(up(at)),
    zIndex: 1,
    renderer: (coordinates, {context, pixelRatio}) => label(/** @type {CanvasRenderingContext2D} */ (context), /** @type {Pixel} */ (coordinates), words, colour, pixelRatio),
  });
}
