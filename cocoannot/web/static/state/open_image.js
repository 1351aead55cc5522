// Which image is open, and keeping what is known of it true: it is read, read again when somebody changed it, and when the server
// is back. What a user does to it is the session's business.
//
//   closed --open--> loading --> ready <--server away or back--> away
//                       \--> missing

import {ApiError, get, isForNow, onRevision} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {Loader} from "./loader.js";
import {Records} from "./records.js";

/** @import {Annotation, Differences, ImageRecord, SessionState} from "../types.js" */

/** After an answer with a revision that is not ours (milliseconds), before it is asked what has changed. */
const SOON = 300;
/** Before an image that could not be read is asked for again. */
const AGAIN = 1500;
/** A revision before all others. */
const UNKNOWN = -1;

/**
 * `others`: somebody else changed so many annotations.
 * @extends {Emitter<{state: SessionState, differences: Differences, others: number}>}
 */
export class OpenImage extends Emitter {
  /** @type {SessionState} */
  state = "closed";
  /** @type {number | null} */
  id = null;
  /** @type {ImageRecord | null} */
  image = null;
  /** @type {string | null} In words for a person. */
  error = null;
  /** @type {Records | null} */
  records = null;
  #loader = new Loader();
  #fault;
  /** @type {Map<number, Records>} Of images that were left with unanswered changes. */
  #left = new Map();
  #away = false;
  /** Of the dataset, at the newest answer. */
  #revision = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(annotation: Annotation) => string | null} fault Why a record can't be drawn. */
  constructor(fault) {
    super();
    this.#fault = fault;
    onRevision((revision) => {
      this.#revision = revision;
      this.#noticeSoon();
    });
  }

  get isThere() {
    return this.state === "ready" || this.state === "away";
  }

  /** @param {number} id */
  async open(id) {
    if (id === this.id && this.state !== "missing") return;
    this.#leave();
    this.id = id;
    this.#become("loading");
    await this.#load(id);
  }

  close() {
    if (this.state === "closed") return;
    this.#leave();
    this.id = null;
    this.#become("closed");
  }

  /** Read it again; what is shown stays meanwhile. */
  async reopen() {
    if (this.id === null) return;
    if (!this.records) return this.#load(this.id);
    [this.records.etag, this.records.complete] = [null, UNKNOWN];
    await this.#readQuietly(true);
  }

  /** @param {number} id Of an image that is likely to be opened next. */
  prepare(id) {
    this.#loader.prepare(id);
  }

  /** @param {boolean} away What could not be read is read as soon as the server is back. */
  setAway(away) {
    if (away === this.#away) return;
    this.#away = away;
    if (this.isThere) this.#become(away ? "away" : "ready");
    if (away) return;
    if (this.state === "loading" && this.error) void this.reopen();
    else this.#noticeSoon();
  }

  /**
   * Bring the server's list into records; throws what `get` throws.
   * @param {Records} records
   * @param {boolean} byOthers What is other was not made by this page.
   * @param {() => boolean} [isWanted] Whether it still is, when it is there.
   */
  async read(records, byOthers, isWanted = () => true) {
    for (;;) {
      const known = records.revision;
      const answer = await get(`api/images/${records.imageId}/annotations?with=etag`, {etag: records.etag});
      if (!isWanted()) return;
      // It may have been read before a change of ours was made whose answer came meanwhile.
      if (answer.revision < records.revision && records.revision !== known) continue;
      if (answer.status === 304) {
        [records.complete, records.stale] = [answer.revision, false];
        return;
      }
      const isTheirs = byOthers && !records.stale;
      const differences = records.merge(answer.body, answer, isTheirs);
      this.told(records, differences);
      const count = differences.added.length + differences.changed.length + differences.removed.length;
      if (isTheirs && count && records === this.records) this.emit("others", count);
      return;
    }
  }

  /**
   * What an undo or redo of ours has changed on the server, is to be read before anything is sent.
   * @param {Set<number | null>} images
   */
  undone(images) {
    for (const records of [this.records, ...this.#left.values()]) if (records && images.has(records.imageId)) records.stale = true;
    if (this.records?.stale) void this.#readQuietly(false);
  }

  /**
   * Something of these records is other.
   * @param {Records} records
   * @param {Differences} differences
   */
  told(records, differences) {
    if (!records.pending) this.#left.delete(records.imageId);
    if (records !== this.records) return;
    this.#noticeSoon();
    if (differences.added.length + differences.changed.length + differences.removed.length) this.emit("differences", differences);
  }

  /**
   * @param {SessionState} state
   * @param {string | null} [error]
   */
  #become(state, error = null) {
    [this.state, this.error] = [state, error];
    this.emit("state", state);
  }

  #leave() {
    const removed = [...(this.records?.entries.keys() ?? [])];
    if (this.records?.pending) this.#left.set(this.records.imageId, this.records);
    [this.records, this.image] = [null, null];
    this.emit("differences", {added: [], changed: [], removed});
  }

  /** @param {number} id */
  async #load(id) {
    try {
      const {image, list} = await this.#loader.load(id);
      if (id !== this.id || this.records) return;
      const records = this.#left.get(id) ?? new Records(id, this.#fault);
      if (records.pending) records.complete = UNKNOWN;
      else if (list.revision >= records.revision) records.merge(list.body, list, records.complete > UNKNOWN);
      [this.records, this.image] = [records, image];
      this.#become(this.#away ? "away" : "ready");
      this.told(records, {added: [...records.entries.values()], changed: [], removed: []});
    } catch (error) {
      if (id !== this.id) return;
      if (isForNow(error)) {
        this.#become("loading", "The server does not answer. The image comes as soon as it does.");
        setTimeout(() => this.state === "loading" && id === this.id && void this.#load(id), AGAIN);
      } else if (error instanceof ApiError) this.#become("missing", error.status === 404 ? `There is no image ${id}.` : error.message);
      else throw error;
    }
  }

  /**
   * What is other can't be told from what is on its way, whose answers may be lost: that is waited for first.
   * @param {boolean} byOthers
   */
  async #readQuietly(byOthers) {
    const {records} = this;
    const canTell = () => !byOthers || !records?.pending;
    try {
      if (records && canTell()) await this.read(records, byOthers, canTell);
    } catch (error) {
      if (!(isForNow(error) || error instanceof ApiError)) throw error;
      if (!(error instanceof ApiError && error.status === 404 && records === this.records)) return;
      this.#leave();
      this.#become("missing", `There is no image ${this.id} any more: it was deleted.`);
    }
  }

  /** Where the dataset's revision is not ours, ask whether this image has changed; not between our own changes. */
  #noticeSoon() {
    const isKnown = () => !this.records || this.records.complete === this.#revision;
    if (isKnown() || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!isKnown()) void this.#readQuietly(true);
    }, SOON);
  }
}
