// A server of one dataset, in memory, behind the global `fetch`: as much of the REST contract as the page's state asks for. It can
// be away, lose answers, keep them back, and be changed by somebody else.

import {copyTexts, parse, stringify} from "../../cocoannot/web/static/net/json.js";
import {bounds} from "../../cocoannot/web/static/shapes/registry.js";

/** @import {Found} from "../../cocoannot/web/static/assist/types.js" */
/** @import {Annotation, Edit, ImageRecord, Operation, ToldChange} from "../../cocoannot/web/static/types.js" */

/**
 * @typedef {{method: string, path: string, body: any, text: string, key: string | null}} Call
 * @typedef {{status: number, body?: any, change?: number, etag?: string}} Outcome
 * @typedef {{restore?: () => unknown, edits: (Edit & {before: string | null, after: string | null, at: number})[]}} Made
 */

export class FakeServer {
  /** @type {Map<number, string>} The texts of annotations by id, in the file's order. */
  annotations = new Map();
  /** @type {ImageRecord[]} */
  images = [{id: 1, file_name: "one.png", width: 100, height: 80}, {id: 2, file_name: "two.png", width: 100, height: 80}];
  categories = [{id: 1, name: "cat"}, {id: 2, name: "dog"}];
  revision = 10;
  saved = 10;
  loadedAt = "2026-01-01";
  saveError = /** @type {string | null} */ (null);
  /** Whether the list that is looked at has an image. */
  isListed = (/** @type {number} */ _id) => true;
  /** @type {{name: string, version: string, created: string, predictions: number, max_score: number, problem?: string}[]} Layers of predictions. */
  layers = [];
  /** @type {string[]} The texts of all predictions, as the server gives them. */
  predictions = [];
  /** @type {Call[]} */
  calls = [];
  /** @type {Found[]} What is found by those who ask for outlines, one after another. */
  outlines = [];
  /** @type {number | null} The image that is the next one to do. */
  nextImage = 2;
  away = false;
  /** How many answers to changes get lost after the change was made. */
  losing = 0;
  /** @type {Outcome[]} What the next changes are answered with instead. */
  refusing = [];
  /** @type {Map<number, string>} Who changed an annotation last, by the history that is kept. */
  authors = new Map();
  /** @type {Map<string, Outcome>} */
  #answers = new Map();
  /** @type {Map<number, Made>} */
  #changes = new Map();
  /** @type {(() => void)[] | null} Calls that wait, where answers are kept back. */
  #gate = null;
  #nextId = 100;

  /** @param {string[]} texts Annotations, each as JSON. */
  constructor(...texts) {
    for (const text of texts) this.annotations.set(parse(text).id, text);
    globalThis.fetch = /** @type {typeof fetch} */ ((path, init) => this.#fetch(String(path), init ?? {}));
  }

  /** From now on nothing is answered, until the function that it gives is called. */
  keepBack() {
    this.#gate = [];
    return () => {
      const waiting = this.#gate ?? [];
      this.#gate = null;
      for (const go of waiting) go();
    };
  }

  /** Whether a call is kept back. */
  get isWaiting() {
    return Boolean(this.#gate?.length);
  }

  /** Changes that were asked for, resent ones too. */
  get changeCalls() {
    return this.calls.filter(({method}) => method !== "GET");
  }

  /**
   * Somebody else changes something.
   * @param {Operation[]} operations
   */
  byOthers(...operations) {
    this.#batch(operations);
  }

  /**
   * The newest change, as a stream tells it.
   * @param {string | null} user
   * @returns {ToldChange}
   */
  told(user = null) {
    const edits = (this.#changes.get(this.revision)?.edits ?? []).map(({section, id, image_id, op}) => ({section, id, image_id, op}));
    return {revision: this.revision, time: 1_800_000_000, user, edits};
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   */
  async #fetch(path, {method = "GET", body, headers}) {
    const given = new Headers(headers);
    const text = typeof body === "string" ? body : "";
    if (this.#gate) await new Promise((resolve) => this.#gate?.push(() => resolve(undefined)));
    this.calls.push({method, path, text, body: text ? parse(text) : null, key: given.get("Idempotency-Key")});
    await undefined;
    if (this.away) throw new TypeError("Failed to fetch");
    const outcome = method === "GET" ? this.#get(path, given.get("If-None-Match")) : this.#changeOnce(method, path, text, given.get("Idempotency-Key"));
    if (method !== "GET" && this.losing > 0) {
      this.losing -= 1;
      throw new TypeError("Failed to fetch");
    }
    return responseOf(outcome, this.revision);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string} text
   * @param {string | null} key
   */
  #changeOnce(method, path, text, key) {
    const refusal = this.refusing.shift();
    if (refusal) return refusal;
    const known = this.#answers.get(key ?? "");
    if (known) return known;
    const outcome = this.#change(method, path, text ? parse(text) : null);
    if (key && outcome.status < 400) this.#answers.set(key, outcome);
    return outcome;
  }

  /**
   * @param {string} path
   * @param {string | null} known
   * @returns {Outcome}
   */
  #get(path, known) {
    const [, image, list] = /^api\/images\/(-?\d+)(\/annotations)?/.exec(path) ?? [];
    if (path === "api/status") return {status: 200, body: this.status()};
    const around = /^api\/images\/(-?\d+)\/neighbours/.exec(path);
    if (around) return this.#neighbours(Number(around[1]));
    if (path.startsWith("api/categories")) return {status: 200, body: this.categories.map((category) => ({...category, _annotation_count: 0}))};
    if (path === "api/predictions") return {status: 200, body: this.layers};
    const said = /^api\/images\/(\d+)\/predictions\?name=(.*)$/.exec(path);
    if (said) return this.#said(Number(said[1]), decodeURIComponent(said[2]));
    const kept = /^api\/annotations\/(\d+)\/history/.exec(path);
    const author = kept && this.authors.get(Number(kept[1]));
    if (author) return {status: 200, body: [{revision: this.revision, time: "2027-01-15T08:00:00+00:00", user: author, record: null}]};
    if (image === undefined) return {status: 404, body: {message: "There is nothing"}};
    const record = this.images.find(({id}) => id === Number(image));
    if (!record) return {status: 404, body: {message: `There is no image ${image}`}};
    if (!list) return {status: 200, body: record};
    const texts = [...this.annotations.values()].filter((text) => parse(text).image_id === record.id);
    const etag = etagOf(texts.join());
    if (known === etag) return {status: 304, etag};
    return {status: 200, etag, body: texts.map(tagged)};
  }

  /**
   * @param {number} image
   * @param {string} layer
   * @returns {Outcome}
   */
  #said(image, layer) {
    if (!this.layers.some(({name}) => name === layer)) return {status: 422, body: {message: "there is no layer"}};
    return {status: 200, body: this.predictions.map((text) => parse(text)).filter((each) => each.image_id === image && each._layer === layer)};
  }

  status() {
    const {revision} = this;
    return {
      dataset: {uri: "/data/cats.json", loaded_at: this.loadedAt}, revision: {memory: revision, journal: revision, file: this.saved, s3: null},
      saver: {next_save_in: revision > this.saved ? 7.5 : null, last_saved_at: null, last_error: this.saveError}, s3: null,
    };
  }

  /**
   * @param {number} id
   * @returns {Outcome}
   */
  #neighbours(id) {
    if (!this.images.some((image) => image.id === id)) return {status: 404, body: {message: `There is no image ${id}`}};
    const listed = this.images.map((image) => image.id).filter((each) => this.isListed(each));
    const position = listed.includes(id) ? listed.indexOf(id) : null;
    return {status: 200, body: {previous: listed.filter((each) => each < id).at(-1) ?? null, next: listed.find((each) => each > id) ?? null, position, total: listed.length}};
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {any} body
   * @returns {Outcome}
   */
  #change(method, path, body) {
    if (path === "api/annotations/batch") return this.#batch(body.operations);
    const undone = /^api\/changes\/(\d+)\/undo$/.exec(path);
    if (undone) return this.#undo(Number(undone[1]));
    if (/^api\/predictions\/.*\/reject$/.test(path)) return {status: 200, body: {rejected: body.ids.length, left_out: 0}};
    const image = /^api\/images\/(\d+)\/status$/.exec(path);
    if (image) return this.#setStatus(Number(image[1]), body.status, body.comment);
    if (/^api\/images\/\d+\/outline$/.test(path)) return {status: 200, body: this.outlines.shift() ?? {segmentation: null, bbox: null, score: null}};
    if (path.startsWith("api/images/next")) return this.nextImage === null ? {status: 204} : {status: 200, body: {id: this.nextImage}};
    if (path.startsWith("api/categories")) return this.#changeCategory(method, Number(path.slice(15)), body);
    return {status: 404, body: {message: "There is nothing"}};
  }

  /**
   * @param {number} id
   * @param {string} status
   * @param {string} [comment]
   * @returns {Outcome}
   */
  #setStatus(id, status, comment) {
    const before = this.images;
    const image = {...before.find((each) => each.id === id), annotation_status: status, annotation_comment: comment};
    this.images = before.map((each) => (each.id === id ? /** @type {ImageRecord} */ (image) : each));
    this.revision += 1;
    this.#changes.set(this.revision, {edits: [{section: "images", id, image_id: id, op: "update", before: null, after: null, at: 0}], restore: () => (this.images = before)});
    return {status: 200, body: image, change: this.revision};
  }

  /**
   * @param {string} method
   * @param {number} id
   * @param {any} body
   * @returns {Outcome}
   */
  #changeCategory(method, id, body) {
    const before = this.categories;
    if (body && before.some(({name}) => name === body.name)) return {status: 409, body: {message: `There is a category ${body.name} already`}};
    const category = {...before.find((each) => each.id === id), id: id || 50 + before.length, ...body};
    if (method === "POST") this.categories = [...before, category];
    else this.categories = before.flatMap((each) => (each.id !== id ? [each] : method === "DELETE" ? [] : [category]));
    this.revision += 1;
    this.#changes.set(this.revision, {edits: [], restore: () => (this.categories = before)});
    return {status: 200, body: category, change: this.revision};
  }

  /**
   * @param {Operation[]} operations
   * @returns {Outcome}
   */
  #batch(operations) {
    const before = new Map(this.annotations);
    /** @type {Made} */
    const made = {edits: []};
    const results = [];
    for (const operation of operations) {
      const outcome = this.#operate(operation, made);
      if (outcome.status !== 200) {
        this.annotations = before;
        return outcome;
      }
      results.push(outcome.body);
    }
    this.revision += 1;
    this.#changes.set(this.revision, made);
    return {status: 200, body: {results}, change: this.revision};
  }

  /**
   * @param {Operation} operation
   * @param {Made} made
   * @returns {Outcome}
   */
  #operate(operation, made) {
    if (operation.op === "add" || operation.op === "restore") {
      const annotation = operation.op === "add" ? copyTexts(operation.annotation, {id: this.#nextId++, ...operation.annotation}) : operation.annotation;
      return this.#put(annotation.id, stringify(annotation), made);
    }
    const text = this.annotations.get(operation.id);
    if (text === undefined) return {status: 404, body: {message: `operation 0: There is no annotation ${operation.id}`}};
    if (operation.if_match && operation.if_match !== etagOf(text)) return {status: 412, body: {message: "operation 0: It was changed"}};
    if (operation.op === "delete") return this.#put(operation.id, null, made);
    const record = parse(text);
    return this.#put(operation.id, stringify(copyTexts(record, withBox({...record, ...operation.changes}, operation.changes))), made);
  }

  /**
   * @param {number} id
   * @param {string | null} text
   * @param {Made} made
   * @returns {Outcome}
   */
  #put(id, text, made) {
    const before = this.annotations.get(id) ?? null;
    const at = [...this.annotations.keys()].indexOf(id);
    made.edits.push({section: "annotations", id, image_id: parse(text ?? before ?? "{}").image_id, op: before === null ? "add" : text === null ? "delete" : "update", before, after: text, at});
    if (text === null) this.annotations.delete(id);
    else this.annotations.set(id, text);
    return {status: 200, body: text === null ? {annotation: null, etag: null} : {annotation: parse(text), etag: etagOf(text)}};
  }

  /**
   * @param {number} revision
   * @returns {Outcome}
   */
  #undo(revision) {
    const made = this.#changes.get(revision);
    if (!made) return {status: 404, body: {message: "It is not known any more"}};
    const changed = made.edits.filter(({section, id, after}) => section === "annotations" && (this.annotations.get(id) ?? null) !== after);
    if (changed.length) return {status: 409, body: {message: "Something changed it", errors: {edits: changed}}};
    /** @type {Made} */
    const inverse = {edits: []};
    for (const {section, id, before, at} of [...made.edits].reverse()) {
      if (section !== "annotations") continue;
      this.#put(id, before, inverse);
      if (before !== null) this.#move(id, at);
    }
    const categories = this.categories;
    if (made.restore) {
      made.restore();
      inverse.restore = () => (this.categories = categories);
    }
    this.revision += 1;
    this.#changes.set(this.revision, inverse);
    const edits = made.edits.length ? made.edits : [{section: "categories", id: 1, image_id: null, op: "update"}];
    return {status: 200, body: {revision: this.revision, edits}, change: this.revision};
  }

  /**
   * @param {number} id
   * @param {number} at
   */
  #move(id, at) {
    const entries = [...this.annotations].filter(([each]) => each !== id);
    entries.splice(at < 0 ? entries.length : at, 0, [id, /** @type {string} */ (this.annotations.get(id))]);
    this.annotations = new Map(entries);
  }
}

/**
 * The box is worked out where only the outline is given.
 * @param {Annotation} annotation
 * @param {Partial<Annotation>} changes
 */
function withBox(annotation, changes) {
  const around = changes.segmentation && !changes.bbox && bounds(annotation);
  return around ? {...annotation, bbox: [around[0], around[1], around[2] - around[0], around[3] - around[1]]} : annotation;
}

/** @param {string} text */
function tagged(text) {
  const annotation = parse(text);
  return copyTexts(annotation, {...annotation, _etag: etagOf(text)});
}

/** @param {string} text */
const etagOf = (text) => `"${[...text].reduce((hash, letter) => (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0, 7)}"`;

/**
 * @param {Outcome} outcome
 * @param {number} revision
 */
function responseOf({status, body, change, etag}, revision) {
  const headers = new Headers({"X-Dataset-Revision": String(revision)});
  if (change !== undefined) headers.set("X-Change-Revision", String(change));
  if (etag) headers.set("ETag", etag);
  return new Response(status === 304 || status === 204 ? null : stringify(body ?? null), {status, headers});
}
