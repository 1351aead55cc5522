// What a model says of the open image: one of the layers that the server has, from a score on. What was accepted, and what is covered,
// is told by the session's annotations, so that an undo makes a prediction open again at once.

import {get, messageOf, send} from "../net/api.js";
import {copyTexts, keepText, textAt} from "../net/json.js";
import {bounds, fault, hit, size} from "../shapes/registry.js";
import {Emitter} from "./emitter.js";

/** @import {Annotation, Layer, NewAnnotation, Origin, PointerInput, Prediction, Shape, StoredPrediction} from "../types.js" */
/** @import {Preferences} from "./preferences.js" */
/** @import {Session} from "./session.js" */

/** From this share of both boxes on, an annotation is where a prediction is. */
const COVERS = 0.9;
/** After so long it is asked again which layers there are, in milliseconds. */
const FRESH = 60_000;
/** What the server gives or computes, or what is said of the prediction and not of the annotation. */
const LEFT_OUT = ["id", "score", "area", "num_keypoints", "prediction"];

/**
 * `change`: what is to be seen is other. `current`: another one is meant. `layers`: there are others.
 * @extends {Emitter<{change: undefined, current: undefined, layers: undefined, refused: string, rejected: Prediction[]}>}
 */
export class Predictions extends Emitter {
  /** @type {Layer[]} That can be read, the newest first. */
  layers = [];
  /** @type {string | null} The one that is shown. */
  layer = null;
  /** @type {Prediction[]} Of the open image, whatever became of them; the highest score first. */
  #all = [];
  /** @type {{image: number, layer: string} | null} What these are of, or will be when they are there. */
  #of = null;
  /** @type {Prediction | null} Under the pointer. */
  #pointed = null;
  /** @type {Prediction | null} Chosen by a click, a finger or a key. */
  #chosen = null;
  /** @type {Prediction[] | null} Of what is open; found when it is first asked for. */
  #open = null;
  #asked = 0;
  #session;
  #preferences;
  #user;

  /** @param {{session: Session, preferences: Preferences, user: () => string | null}} parts */
  constructor({session, preferences, user}) {
    super();
    this.#session = session;
    this.#preferences = preferences;
    this.#user = user;
    session.on("state", () => this.#follow());
    session.on("state", (state) => state === "loading" && Date.now() - this.#asked > FRESH && void this.load());
    session.on("differences", () => this.#changed());
    session.on("visibility", () => this.#changed());
    preferences.on("change", (name) => name === "minScore" && this.#changed());
  }

  /** Ask which layers there are; the newest is shown, unless the person wants none. Where they can't be asked for, nothing changes. */
  async load() {
    this.#asked = Date.now();
    const answer = await get("api/predictions").catch(() => null);
    if (!answer) return;
    const before = this.#version;
    this.layers = answer.body.filter(({problem, predictions}) => !problem && predictions > 0);
    this.layers.sort((one, other) => Date.parse(other.created) - Date.parse(one.created));
    const isThere = this.layers.some(({name}) => name === this.layer);
    if (!isThere) this.layer = this.#preferences.get("showPredictions") ? (this.layers[0]?.name ?? null) : null;
    this.emit("layers");
    if (this.#version !== before) this.#forget();
    this.#follow();
  }

  /** Of the layer that is shown. */
  get #version() {
    return this.layers.find(({name}) => name === this.layer)?.version;
  }

  /** @param {string | null} name `null` for none. */
  choose(name) {
    this.layer = name;
    this.#preferences.set("showPredictions", name !== null);
    this.emit("layers");
    this.#follow();
  }

  /** The lowest score that is shown. */
  get minScore() {
    return this.#preferences.get("minScore");
  }

  set minScore(score) {
    this.#preferences.set("minScore", score);
  }

  /** Those that are open, and have the score; the highest first. @returns {readonly Prediction[]} */
  get open() {
    this.#open ??= this.#find();
    return this.#open;
  }

  /** Those of them that no annotation covers: what is accepted at once. */
  get uncovered() {
    return this.open.filter(({covered}) => !covered);
  }

  /** The one that is meant: under the pointer, else chosen. @returns {Prediction | null} */
  get current() {
    return [this.#pointed, this.#chosen].find((each) => each !== null && this.open.includes(each)) ?? null;
  }

  /** The pointer has moved or was pressed. @param {PointerInput} input */
  point({kind, x, y, reach, touch, dragged}) {
    if (kind === "leave") return this.#mean({pointed: null});
    if (kind !== "move" && kind !== "down" && kind !== "up") return;
    const found = this.open.filter(({annotation}) => hit(annotation, [x, y], reach / 2));
    const under = found.sort((one, other) => size(one.annotation) - size(other.annotation))[0] ?? null;
    this.#mean({pointed: touch ? null : under, ...(kind === "up" && !dragged ? {chosen: under} : {})});
  }

  /** Another one is meant, in the order of scores. @param {number} step */
  step(step) {
    const {open, current} = this;
    if (!open.length) return;
    const at = current ? open.indexOf(current) : step > 0 ? -1 : 0;
    this.#mean({pointed: null, chosen: open[(at + step + open.length) % open.length]});
  }

  /** They become annotations, as one change that can be undone. @param {readonly Prediction[]} some */
  accept(some) {
    const shapes = some.map((each) => this.#shapeOf(each));
    if (shapes.length) this.#session.addMany(shapes);
  }

  /**
   * They are not shown any more, to nobody; `rejected: false` takes that back. Where the server refuses, all is as before.
   * @param {readonly Prediction[]} some
   * @param {boolean} [rejected]
   */
  async reject(some, rejected = true) {
    const {layer} = this;
    if (!layer || !some.length) return;
    const mark = (/** @type {boolean} */ value) => {
      for (const each of some) each.rejected = value;
      this.#changed();
    };
    mark(rejected);
    try {
      const path = `api/predictions/${encodeURIComponent(layer)}/reject`;
      await send({method: "POST", path, body: {ids: some.map(({annotation}) => annotation.id), rejected}});
      if (rejected) this.emit("rejected", [...some]);
    } catch (error) {
      mark(!rejected);
      this.emit("refused", `Not ${rejected ? "rejected" : "taken back"}: ${messageOf(error)}`);
    }
  }

  /** Read what belongs to the open image. */
  #follow() {
    const {isThere, id} = this.#session;
    if (!isThere || id === null || this.layer === null) return this.#forget();
    if (this.#of?.image === id && this.#of.layer === this.layer) return;
    this.#forget();
    void this.#read((this.#of = {image: id, layer: this.layer}));
  }

  #forget() {
    this.#of = null;
    if (!this.#all.length) return;
    this.#all = [];
    this.#mean({pointed: null, chosen: null});
    this.#changed();
  }

  /** @param {{image: number, layer: string}} of */
  async #read(of) {
    const answer = await get(`api/images/${of.image}/predictions?name=${encodeURIComponent(of.layer)}`).catch(() => null);
    if (of !== this.#of) return;
    // It is asked again with the next state: the server may be away, or the layer gone.
    if (!answer) return void (this.#of = null);
    this.#all = answer.body.map(predictionOf).filter(({annotation}) => !fault(annotation));
    this.#all.sort((one, other) => other.score - one.score);
    this.#changed();
  }

  #changed() {
    this.#open = null;
    this.emit("change");
    this.emit("current");
  }

  /** @param {{pointed?: Prediction | null, chosen?: Prediction | null}} meant */
  #mean({pointed = this.#pointed, chosen = this.#chosen}) {
    const before = this.current;
    [this.#pointed, this.#chosen] = [pointed, chosen];
    if (this.current !== before) this.emit("current");
  }

  #find() {
    const {minScore} = this;
    const {visibility, entries} = this.#session;
    const annotations = [...entries.values()].filter((entry) => !entry.broken).map(({annotation}) => annotation);
    const accepted = new Set(annotations.map(({prediction}) => (prediction ? nameOf(prediction) : null)));
    const hidden = (/** @type {Annotation} */ {category_id: id}) => id !== undefined && visibility.hiddenCategories.has(id);
    const open = this.#all.filter((each) => each.score >= minScore && !each.rejected && !accepted.has(nameOf(each.origin)) && !hidden(each.annotation));
    for (const each of open) each.covered = annotations.some((annotation) => covers(annotation, each.annotation));
    return open;
  }

  /** @param {Prediction} prediction @returns {Shape & {category_id?: number, prediction: Origin}} */
  #shapeOf({annotation, origin}) {
    const fields = Object.entries(annotation).filter(([name]) => !LEFT_OUT.includes(name) && !name.startsWith("_"));
    /** @type {Shape & {category_id?: number}} */
    const shape = Object.fromEntries(fields);
    const {segmentation} = annotation;
    delete shape[Array.isArray(segmentation) && segmentation.length === 0 || !segmentation ? "segmentation" : "bbox"];
    return copyTexts(annotation, {...shape, prediction: copyTexts(origin, {...origin, user: this.#user()})});
  }
}

/** @param {StoredPrediction} stored @returns {Prediction} */
function predictionOf(stored) {
  const annotation = copyTexts(stored, /** @type {Annotation} */ ({...stored}));
  if (Array.isArray(stored.keypoints)) annotation.keypoints = labelled(stored.keypoints);
  const {_layer: layer, _version: version, id, score} = stored;
  const origin = {layer, version, id, score};
  const text = textAt(stored, "score", score);
  if (text !== undefined) keepText(origin, "score", text);
  return {annotation, origin, score, covered: false, rejected: stored._status === "rejected"};
}

/** A model's third number is often a score: what is above 0 counts as visible. @param {number[]} keypoints */
function labelled(keypoints) {
  return copyTexts(keypoints, keypoints.map((value, i) => (i % 3 !== 2 || value === 0 || value === 1 || value === 2 ? value : value > 0 ? 2 : 0)));
}

/** @param {Origin} origin */
const nameOf = ({layer, version, id}) => `${layer} ${version} ${id}`;

/**
 * @param {Annotation | NewAnnotation} annotation
 * @param {Annotation} prediction
 */
function covers(annotation, prediction) {
  if (annotation.category_id !== prediction.category_id) return false;
  const [one, other] = [bounds(/** @type {Annotation} */ (annotation)), bounds(prediction)];
  if (!one || !other) return false;
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return false;
  const areaOf = (/** @type {readonly number[]} */ [left, top, right, bottom]) => (right - left) * (bottom - top);
  return width * height >= COVERS * (areaOf(one) + areaOf(other) - width * height);
}
