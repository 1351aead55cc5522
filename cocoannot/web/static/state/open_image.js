// Which image is open, and keeping what is known of it true: it is read, read again when somebody changed it, and when the server
// is back. What a user does to it is the session's business.
//
//   closed --open--> loading --> ready <--server away or back--> away
//                       \--> missing

import {ApiError, get, isForNow, onRevision} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {Heard, touches} from "./heard.js";
import {Loader} from "./loader.js";
import {Records} from "./records.js";

/** @import {Annotation, Author, Differences, ImageRecord, SessionState, ToldChange} from "../types.js" */

/** After an answer with a revision that is not ours (milliseconds), before it is asked what has changed. */
const SOON = 300;
/** The same where it is known that this image has changed: others may follow at once. */
const AT_ONCE = 40;
/** Before an image that could not be read is asked for again. */
const AGAIN = 1500;
/** A revision before all others. */
const UNKNOWN = -1;

/**
 * `others`: somebody else changed so many annotations; who, where it was one person.
 * @extends {Emitter<{state: SessionState, differences: Differences, others: {count: number, user: string | null}}>}
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
  #heard = new Heard();
  #fault;
  /** @type {Map<number, Records>} Of images that were left with unanswered changes. */
  #left = new Map();
  #away = false;
  /** Of the dataset, at the newest answer. */
  #revision = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Somebody has changed this very image. */
  #urgent = false;
  #waits;

  /**
   * @param {(annotation: Annotation) => string | null} fault Why a record can't be drawn.
   * @param {() => boolean} [waits] Whether changes of this page are on their way: until they are answered, it is not known whose a
   *   change is that was told. Then `settled` is called.
   */
  constructor(fault, waits = () => false) {
    super();
    this.#fault = fault;
    this.#waits = waits;
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

  /** A change of anybody's, this page's own too. @param {ToldChange} change */
  heard(change) {
    this.#heard.add(change);
    const {id, records} = this;
    if (id === null || !touches(change, id)) return;
    if (records && (change.revision <= records.complete || records.made.has(change.revision))) return this.#attribute(records, change);
    this.#urgent = true;
    if (change.edits.some((edit) => edit.section === "images" && edit.id === id && edit.op === "update")) void this.#readImage(id);
  }

  /** No change of this page is on its way any more. */
  settled() {
    this.#noticeSoon();
  }

  /** Read it again; what is shown stays meanwhile. What was heard of changes may be of another dataset. */
  async reopen() {
    this.#heard.clear();
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
      const {revision: known, etag} = records;
      const answer = await get(`api/images/${records.imageId}/annotations?with=etag`, {etag});
      if (!isWanted()) return;
      // It may have been read before a change of ours was made whose answer came meanwhile.
      if (answer.revision < records.revision && records.revision !== known) continue;
      if (answer.status === 304) {
        // The list is as it was when it was asked for: another one may have come meanwhile.
        if (records.etag !== etag) continue;
        records.stale = false;
        return records.isTrueAt(answer.revision);
      }
      const authorOf = byOthers && !records.stale ? this.#authors(records) : null;
      const differences = records.merge(answer.body, answer, authorOf);
      this.told(records, differences);
      if (authorOf && records === this.records) this.#tellOthers(differences);
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

  /**
   * Who changed what since these records were read.
   * @param {Records} records
   * @returns {(annotationId: number) => Author}
   */
  #authors({imageId, complete}) {
    return (id) => ({user: this.#heard.authorOf(id, imageId, complete)?.user ?? null, at: Date.now()});
  }

  /**
   * The list was read before the change was told of, as where a stream had been cut off.
   * @param {Records} records
   * @param {ToldChange} change
   */
  #attribute(records, {user, edits}) {
    const ids = new Set(edits.filter(({section}) => section === "annotations").map(({id}) => id));
    if (user !== null) this.told(records, records.attribute(ids, user));
  }

  /** @param {Differences} differences */
  #tellOthers({added, changed, removed}) {
    const count = added.length + changed.length + removed.length;
    const users = new Set([...added, ...changed].map(({others}) => others?.user ?? null));
    if (count) this.emit("others", {count, user: users.size === 1 ? [...users][0] : null});
  }

  /** What is known of the image beside its annotations. @param {number} id */
  async #readImage(id) {
    const answer = await get(`api/images/${id}`).catch(() => null);
    if (!answer || id !== this.id || !this.image) return;
    this.image = answer.body;
    this.emit("state", this.state);
  }

  /** @param {number} id */
  async #load(id) {
    try {
      const {image, list} = await this.#loader.load(id);
      if (id !== this.id || this.records) return;
      const records = this.#left.get(id) ?? new Records(id, this.#fault);
      if (records.pending) records.complete = UNKNOWN;
      else if (list.revision >= records.revision) records.merge(list.body, list, records.complete > UNKNOWN ? this.#authors(records) : null);
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
    if (this.#isKnown()) return;
    if (this.#timer !== undefined) {
      if (!this.#urgent) return;
      clearTimeout(this.#timer);
    }
    const pause = this.#urgent ? AT_ONCE : SOON;
    this.#urgent = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isKnown() && !this.records?.pending && !this.#waits()) void this.#readQuietly(true);
    }, pause);
  }

  #isKnown() {
    const {records} = this;
    if (!records) return true;
    records.isTrueAt(this.#heard.advance(records.imageId, records.complete, records.made));
    return records.complete === this.#revision;
  }
}
