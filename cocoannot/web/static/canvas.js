// The picture and its shapes, drawn and edited by OpenLayers, which only this module knows.
//
// OpenLayers counts y upwards, COCO downwards: y' = height - y. A number that nobody moved keeps all its digits.

import {
  Circle, Collection, Draw, Feature, Fill, GeometryCollection, ImageLayer, ImageStatic, Modify, MultiLineString,
  MultiPoint, MultiPolygon, OlMap, Point, PointerInteraction, Polygon, Projection, Stroke, Style, Translate, VectorLayer,
  VectorSource, View, altKeyOnly, click, createBox, defaultInteractions, primaryAction,
} from "./vendor/openlayers.js";
import {colour} from "./colours.js";
import {paint} from "./masks.js";
import {bounds, fault, hasMask, hasPolygons, keypoints, kindOf, points, size} from "./shapes.js";

/** @import {FeatureLike} from "ol/Feature.js" */
/** @import MapBrowserEvent from "ol/MapBrowserEvent.js" */
/** @import {Coordinate} from "ol/coordinate.js" */
/** @import {Annotation, Category, Keypoint, Kind, MaskAnnotation, Point as Pixel, Shape, Tool} from "./types.js" */

/**
 * What the canvas tells: `onSelect` with `null` where nothing was hit, `onPainted` whenever all is drawn.
 * @typedef {object} Events
 * @property {(shape: Shape, how: {part: boolean}) => unknown} onDraw
 * @property {(id: number, shape: Shape) => unknown} onReshape
 * @property {(id: number | null) => void} onSelect
 * @property {(reason: string) => void} onRefuse
 * @property {() => void} onPainted
 */

const HANDLE_PIXELS = 10;
const ZOOM_BEYOND = 16;

export class Canvas {
  /** @type {Tool} */
  tool = "select";
  drawing = false;
  /** @type {number | null} */
  selected = null;
  /** @type {Set<number>} Categories. */
  hidden = new Set();
  allHidden = false;
  /** @type {Map<number, Category>} */
  categories = new Map();
  /** @type {Map<number, Annotation>} */
  annotations = new Map();
  /** @type {Map<string, Pixel>} The numbers of the points that were given, by where they are on the canvas. */
  originals = new Map();
  width = 0;
  height = 0;
  /** @type {Projection | undefined} Of the picture that is shown. */
  projection;
  /** Whether the picture is there, or known to be missing. */
  pictured = false;

  /** @type {Collection<Feature<MultiPolygon | Polygon>>} At most one. */
  editable = new Collection();
  drawBox = new Draw({...this.#drawOptions(), type: "Circle", geometryFunction: createBox(), freehand: true});
  drawPolygon = new Draw({...this.#drawOptions(), type: "Polygon", freehandCondition: () => false});
  modify = new Modify({
    features: this.editable,
    condition: (event) => primaryAction(event) && this.editable.getArray().every((feature) => feature.get("kind") === "polygons"),
    deleteCondition: (event) => altKeyOnly(event) && click(event),
    style: () => this.#vertexStyle(),
  });
  translate = new Translate({features: this.editable, condition: primaryAction});
  resize = this.#resizeInteraction();

  /**
   * @param {HTMLElement} element
   * @param {Events} events
   */
  constructor(element, events) {
    this.element = element;
    this.events = events;
    this.source = new VectorSource();
    this.shapes = new VectorLayer({
      source: this.source,
      style: (feature) => this.#style(feature),
      renderOrder: (one, other) => other.get("size") - one.get("size"),
      updateWhileInteracting: true,
    });
    this.picture = new ImageLayer();
    this.masks = new ImageLayer();
    this.map = new OlMap({
      target: element,
      layers: [this.picture, this.masks, this.shapes],
      controls: [],
      interactions: defaultInteractions({doubleClickZoom: false, keyboard: false, shiftDragZoom: false, altShiftDragRotate: false, pinchRotate: false}),
    });
    this.#addInteractions();
    this.map.on("click", (event) => this.#click(event));
    this.map.on("rendercomplete", () => this.pictured && this.events.onPainted());
    new ResizeObserver(() => this.map.updateSize()).observe(element);
  }

  /**
   * Show another picture; its shapes come by `setShapes`.
   * @param {{url: string, width: number, height: number}} picture
   */
  show({url, width, height}) {
    this.cancel();
    this.source.clear();
    this.masks.setSource(null);
    [this.width, this.height] = [width, height];
    const extent = [0, 0, width, height];
    this.projection = new Projection({code: "pixels", units: "pixels", extent});
    const view = new View({
      projection: this.projection,
      center: [width / 2, height / 2],
      resolution: 1,
      minResolution: 1 / ZOOM_BEYOND,
      maxResolution: Math.max(width, height) / 100,
      enableRotation: false,
      extent: [-width, -height, 2 * width, 2 * height],
    });
    this.map.setView(view);
    this.picture.setSource(null);
    this.fit();
    void this.#load(url, extent, this.projection);
  }

  fit() {
    this.map.updateSize();
    this.map.getView().fit([0, 0, this.width, this.height], {padding: [12, 12, 12, 12]});
  }

  /**
   * Show `annotations`. What is selected stays so while it is there.
   * @param {Annotation[]} annotations
   * @param {Map<number, Category>} categories
   */
  setShapes(annotations, categories) {
    this.categories = categories;
    this.annotations = new Map(annotations.map((annotation) => [annotation.id, annotation]));
    this.source.clear();
    this.source.addFeatures(annotations.flatMap((annotation) => this.#features(annotation)));
    this.#paintMasks(annotations.filter(hasMask));
    this.select(this.selected !== null && this.annotations.has(this.selected) ? this.selected : null);
  }

  /** @param {number | null} id */
  select(id) {
    this.selected = id;
    this.editable.clear();
    const feature = id === null ? null : /** @type {Feature<MultiPolygon | Polygon> | null} */ (this.source.getFeatureById(id));
    if (feature && this.tool === "select" && ["polygons", "box"].includes(feature.get("kind"))) this.editable.push(feature);
    this.shapes.changed();
  }

  /**
   * With `"part"`, a polygon more for the selected annotation is drawn.
   * @param {Tool} tool
   */
  setTool(tool) {
    this.cancel();
    this.tool = tool;
    this.drawBox.setActive(tool === "box");
    this.drawPolygon.setActive(tool === "polygon" || tool === "part");
    for (const interaction of [this.modify, this.translate, this.resize]) interaction.setActive(tool === "select");
    this.element.classList.toggle("drawing", tool !== "select");
    this.select(this.selected);
  }

  /** @param {Iterable<number>} categoryIds */
  hide(categoryIds) {
    this.hidden = new Set(categoryIds);
    this.#redraw();
  }

  toggleAll() {
    this.allHidden = !this.allHidden;
    this.#redraw();
    return this.allHidden;
  }

  /** Give up what is being drawn; gives whether there was anything. */
  cancel() {
    const {drawing} = this;
    this.drawPolygon.abortDrawing();
    this.drawBox.abortDrawing();
    this.drawing = false;
    return drawing;
  }

  /** Take the last corner of a polygon in the making back; gives whether there was one. */
  removeLastVertex() {
    if (!this.drawing || this.tool === "box") return false;
    this.drawPolygon.removeLastPoint();
    return true;
  }

  /**
   * Shapes can be seen and drawn without the picture too, where it is missing or damaged.
   * @param {string} url
   * @param {number[]} imageExtent
   * @param {Projection} projection
   */
  async #load(url, imageExtent, projection) {
    this.pictured = false;
    const image = new Image();
    image.src = url;
    const loaded = await image.decode().then(() => true, () => false);
    // Another picture may be wanted by now.
    if (projection !== this.projection) return;
    this.pictured = true;
    if (!loaded) this.events.onRefuse("The picture can't be shown");
    else this.picture.setSource(new ImageStatic({url, imageExtent, projection, interpolate: false}));
    this.map.render();
  }

  #drawOptions() {
    return {stopClick: true, condition: primaryAction, style: (/** @type {FeatureLike} */ feature) => this.#drawStyle(feature)};
  }

  #addInteractions() {
    for (const draw of [this.drawBox, this.drawPolygon]) {
      draw.on("drawstart", () => (this.drawing = true));
      draw.on("drawabort", () => (this.drawing = false));
      draw.on("drawend", (event) => this.#drawn(/** @type {Polygon} */ (event.feature.getGeometry()), draw === this.drawBox));
    }
    this.modify.on("modifyend", () => this.#reshaped());
    this.translate.on("translateend", () => this.#reshaped({moved: true}));
    // Those that come later are asked first.
    for (const interaction of [this.translate, this.modify, this.resize, this.drawBox, this.drawPolygon]) this.map.addInteraction(interaction);
    this.setTool("select");
  }

  /** Boxes stay rectangles: their corners and edges are dragged, each with the opposite one in its place. */
  #resizeInteraction() {
    /** @type {ReturnType<typeof near>} */
    let corner = null;
    const near = (/** @type {MapBrowserEvent} */ event) => {
      const geometry = this.editable.item(0)?.getGeometry();
      if (!(geometry instanceof Polygon)) return null;
      const [left, bottom, right, top] = geometry.getExtent();
      const reach = HANDLE_PIXELS * (this.map.getView().getResolution() ?? 1);
      const [x, y] = event.coordinate;
      const h = Math.abs(x - left) <= reach ? "left" : Math.abs(x - right) <= reach ? "right" : null;
      const v = Math.abs(y - bottom) <= reach ? "bottom" : Math.abs(y - top) <= reach ? "top" : null;
      const along = x >= left - reach && x <= right + reach && y >= bottom - reach && y <= top + reach;
      return along && (h || v) ? {geometry, h, v, extent: [left, bottom, right, top]} : null;
    };
    return new PointerInteraction({
      handleDownEvent: (event) => primaryAction(event) && (corner = near(event)) !== null,
      handleDragEvent: (event) => {
        if (!corner) return;
        let [left, bottom, right, top] = corner.extent;
        const [x, y] = this.#clamp(event.coordinate);
        if (corner.h === "left") left = x;
        if (corner.h === "right") right = x;
        if (corner.v === "bottom") bottom = y;
        if (corner.v === "top") top = y;
        corner.geometry.setCoordinates([ring([[left, bottom], [right, bottom], [right, top], [left, top]])]);
      },
      handleUpEvent: () => {
        corner = null;
        this.#reshaped();
        return false;
      },
      handleMoveEvent: (event) => {
        const found = this.tool === "select" ? near(event) : null;
        const diagonal = found?.h && found?.v ? ((found.h === "left") === (found.v === "top") ? "nwse-resize" : "nesw-resize") : null;
        this.element.dataset.cursor = found ? diagonal ?? (found.h ? "ew-resize" : "ns-resize") : "";
      },
    });
  }

  /** @param {MapBrowserEvent} event */
  #click(event) {
    if (this.tool !== "select") return;
    let best = /** @type {{id: number, size: number} | null} */ (null);
    this.map.forEachFeatureAtPixel(event.pixel, (feature) => {
      const id = feature.get("annotation");
      if (id !== undefined && (best === null || feature.get("size") < best.size)) best = {id, size: feature.get("size")};
    }, {hitTolerance: 3});
    this.events.onSelect(best?.id ?? null);
  }

  /**
   * @param {Polygon} geometry
   * @param {boolean} isBox
   */
  #drawn(geometry, isBox) {
    this.drawing = false;
    const rings = geometry.getCoordinates().map((coordinates) => coordinates.slice(0, -1).map((each) => this.#clamp(each)));
    const shape = isBox ? {bbox: this.#box(rings[0])} : {segmentation: rings.map((each) => this.#flat(withoutRepeats(each)))};
    const reason = fault(shape);
    if (reason) this.events.onRefuse(reason);
    else this.events.onDraw(shape, {part: this.tool === "part"});
  }

  #reshaped({moved = false} = {}) {
    const feature = this.editable.item(0);
    const geometry = feature?.getGeometry();
    if (!geometry) return;
    if (moved) this.#pushInside(geometry);
    const isBox = geometry instanceof Polygon;
    const polygons = isBox ? [geometry.getCoordinates()] : geometry.getCoordinates();
    const rings = polygons.map(([outer]) => outer.slice(0, -1).map((each) => this.#clamp(each)));
    const shape = isBox ? {bbox: this.#box(rings[0])} : {segmentation: rings.map((each) => this.#flat(withoutRepeats(each)))};
    const reason = fault(shape);
    if (reason) {
      this.events.onRefuse(reason);
      this.setShapes([...this.annotations.values()], this.categories);
    } else {
      this.events.onReshape(feature.get("annotation"), shape);
    }
  }

  /** @param {MultiPolygon | Polygon} geometry */
  #pushInside(geometry) {
    const [left, bottom, right, top] = geometry.getExtent();
    /** @type {(low: number, high: number, limit: number) => number} */
    const shift = (low, high, limit) => (low < 0 ? -low : high > limit ? Math.max(limit - high, -low) : 0);
    geometry.translate(shift(left, right, this.width), shift(bottom, top, this.height));
  }

  /** @param {Coordinate} coordinate */
  #clamp([x, y]) {
    return [Math.min(this.width, Math.max(0, x)), Math.min(this.height, Math.max(0, y))];
  }

  /**
   * COCO's flat list of a ring; what is where it was is the number that it was.
   * @param {Coordinate[]} coordinates
   */
  #flat(coordinates) {
    return coordinates.flatMap((each) => this.originals.get(keyOf(each)) ?? [round(each[0]), round(this.height - each[1])]);
  }

  /** @param {Coordinate[]} corners */
  #box(corners) {
    const flat = this.#flat(corners);
    const [xs, ys] = [flat.filter((_, i) => i % 2 === 0), flat.filter((_, i) => i % 2 === 1)];
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    return [x, y, round(Math.max(...xs) - x), round(Math.max(...ys) - y)];
  }

  /** @param {Pixel} pixel */
  #up([x, y]) {
    const coordinate = [x, this.height - y];
    this.originals.set(keyOf(coordinate), [x, y]);
    return coordinate;
  }

  /** @param {Annotation} annotation */
  #features(annotation) {
    const kind = kindOf(annotation);
    const found = [];
    if (hasPolygons(annotation)) {
      this.originals.size > 200_000 && this.originals.clear();
      const coordinates = annotation.segmentation.map((flat) => [ring(points(flat).map((each) => this.#up(each)))]);
      found.push(this.#feature(annotation, "polygons", new MultiPolygon(coordinates)));
    } else if (kind) {
      const corners = bounds(annotation);
      if (corners) {
        const [left, top, right, bottom] = corners;
        /** @type {Pixel[]} */
        const outline = [[left, top], [right, top], [right, bottom], [left, bottom]];
        found.push(this.#feature(annotation, kind, new Polygon([ring(outline.map((each) => this.#up(each)))])));
      }
    }
    const skeleton = this.#skeleton(annotation);
    if (skeleton) found.push(skeleton);
    return found;
  }

  /**
   * @param {Annotation} annotation
   * @param {Kind} kind
   * @param {MultiPolygon | Polygon} geometry
   * @returns {Feature}
   */
  #feature(annotation, kind, geometry) {
    const feature = new Feature({geometry, annotation: annotation.id, kind, category: annotation.category_id, size: size(annotation)});
    feature.setId(annotation.id);
    return feature;
  }

  /** @param {Annotation} annotation */
  #skeleton(annotation) {
    const all = keypoints(annotation);
    const place = (/** @type {Keypoint} */ {x, y}) => [x, this.height - y];
    const shown = all.filter((each) => each !== null).map(place);
    if (!shown.length) return null;
    const category = annotation.category_id === undefined ? undefined : this.categories.get(annotation.category_id);
    const edges = (category?.skeleton ?? []).map((edge) => edge.flatMap((number) => all[number - 1] ?? []).map(place)).filter((edge) => edge.length === 2);
    const geometry = new GeometryCollection([new MultiLineString(edges), new MultiPoint(shown)]);
    return new Feature({geometry, annotation: annotation.id, kind: "keypoints", category: annotation.category_id, size: size(annotation)});
  }

  /** @param {MaskAnnotation[]} annotations */
  #paintMasks(annotations) {
    const visible = annotations.filter((annotation) => !this.#isHidden(annotation.category_id));
    if (!visible.length) return this.masks.setSource(null);
    const canvas = new OffscreenCanvas(this.width, this.height);
    const context = context2d(canvas);
    const data = context.createImageData(this.width, this.height);
    for (const annotation of visible.toSorted((one, other) => size(other) - size(one))) {
      paint(annotation.segmentation, data.data, this.width, this.height, rgba(annotation.category_id));
    }
    context.putImageData(data, 0, 0);
    const {projection} = this;
    return void canvas.convertToBlob().then((blob) => {
      // Another picture may be there by now.
      if (projection !== this.projection) return;
      this.masks.setSource(new ImageStatic({url: URL.createObjectURL(blob), imageExtent: [0, 0, this.width, this.height], projection, interpolate: false}));
    });
  }

  #redraw() {
    this.shapes.changed();
    this.#paintMasks([...this.annotations.values()].filter(hasMask));
  }

  /** @param {number | undefined} category */
  #isHidden(category) {
    return this.allHidden || (category !== undefined && this.hidden.has(category));
  }

  /** @param {FeatureLike} feature */
  #style(feature) {
    const category = feature.get("category");
    if (this.#isHidden(category)) return undefined;
    const isSelected = feature.get("annotation") === this.selected;
    const kind = feature.get("kind");
    const line = new Stroke({color: isSelected ? "#fff" : colour(category), width: isSelected ? 3 : 2, lineDash: kind === "mask" ? [6, 4] : undefined});
    const fill = new Fill({color: colour(category, kind === "mask" || kind === "box" ? 0.01 : isSelected ? 0.35 : 0.2)});
    const dot = new Circle({radius: 4, fill: new Fill({color: colour(category)}), stroke: new Stroke({color: "#fff", width: 1})});
    if (kind === "keypoints") return new Style({stroke: new Stroke({color: colour(category), width: 2}), image: dot});
    const styles = [new Style({stroke: line, fill})];
    if (isSelected && this.editable.getLength()) {
      const handle = new Circle({radius: 4, fill: new Fill({color: "#fff"}), stroke: new Stroke({color: colour(category), width: 2})});
      styles.push(new Style({image: handle, geometry: (each) => handles(/** @type {MultiPolygon | Polygon} */ (each.getGeometry()))}));
    }
    return styles;
  }

  /** @param {FeatureLike} feature */
  #drawStyle(feature) {
    if (feature.getGeometry() instanceof Point && this.tool === "box") return undefined;
    return new Style({stroke: new Stroke({color: "#fff", width: 2}), fill: new Fill({color: "rgb(255 255 255 / 0.15)"}), image: this.#vertex()});
  }

  #vertexStyle() {
    return new Style({image: this.#vertex()});
  }

  #vertex() {
    return new Circle({radius: 5, fill: new Fill({color: "#fff"}), stroke: new Stroke({color: "#000", width: 1})});
  }
}

const round = (/** @type {number} */ value) => Math.round(value * 100) / 100;
const keyOf = (/** @type {Coordinate} */ [x, y]) => `${x.toFixed(5)} ${y.toFixed(5)}`;
const ring = (/** @type {Coordinate[]} */ coordinates) => [...coordinates, coordinates[0]];
const handles = (/** @type {MultiPolygon | Polygon} */ geometry) =>
  new MultiPoint(geometry instanceof Polygon ? geometry.getCoordinates().flat() : geometry.getCoordinates().flat(2));
/** @type {(coordinates: Coordinate[]) => Coordinate[]} */
const withoutRepeats = (coordinates) =>
  coordinates.filter((each, i) => {
    const next = coordinates[(i + 1) % coordinates.length];
    return coordinates.length === 1 || each[0] !== next[0] || each[1] !== next[1];
  });

/** @type {(canvas: OffscreenCanvas, settings?: CanvasRenderingContext2DSettings) => OffscreenCanvasRenderingContext2D} */
const context2d = (canvas, settings) => /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", settings));

const probe = context2d(new OffscreenCanvas(1, 1), {willReadFrequently: true});

/**
 * A category's colour as four numbers, half transparent.
 * @param {number | undefined} categoryId
 * @returns {[red: number, green: number, blue: number, alpha: number]}
 */
function rgba(categoryId) {
  probe.fillStyle = colour(categoryId);
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, 110];
}
