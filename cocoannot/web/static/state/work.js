// How far people are with the open image, and which image is the next one to do. Setting a status is a change like others: it waits
// in the queue, and undo takes it back.
//
//   known from the record --set--> shown at once --answered--> known from the answer
//                                        \--refused--> known from the record, with words
//
// The session's record may have been read before it was wanted: where a change of it was told of since, it is read again.

import {get, messageOf, send} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {statusOf} from "./statuses.js";

/** @import {Edit, ImageRecord, ImageStatus, Session, ToldChange} from "../types.js" */
/** @import {Changes} from "./changes.js" */

/** @typedef {"annotate" | "review"} Task */

/**
 * What is known better than from the session's record. `revision` is when, `null` for what the server has not answered yet.
 * @typedef {{status: ImageStatus, comment: string | null, revision: number | null}} Known
 */

/** So many changed images are remembered. */
const MOST = 2000;

/** Filters of a list that say nothing about what is next. */
const NOT_ASKED = ["status", "page", "page_size", "with"];

/** @extends {Emitter<{change: undefined, refused: string}>} */
export class Work extends Emitter {
  /** @type {Map<number, Known>} By image. */
  #known = new Map();
  /** @type {Set<number>} Images of which a change was told. */
  #changed = new Set();
  #session;
  #changes;
  #client;

  /**
   * @param {object} parts
   * @param {Session} parts.session
   * @param {Changes} parts.changes
   * @param {string} parts.client what this browser is called at the server: who has claimed an image
   */
  constructor({session, changes, client}) {
    super();
    this.#session = session;
    this.#changes = changes;
    this.#client = client;
    session.on("state", () => this.#look());
    changes.on("undone", ({edits}) => this.#undone(edits));
  }

  /** Of the open image. @returns {ImageStatus} */
  get status() {
    return this.#current?.status ?? statusOf(this.#session.image);
  }

  /** Why it was sent back. @returns {string | null} */
  get comment() {
    const known = this.#current;
    return known ? known.comment : (this.#session.image?.annotation_comment ?? null);
  }

  /** The server has not answered yet. */
  get isPending() {
    return this.#current?.revision === null;
  }

  /**
   * Say how far one is with the open image; gives whether the server took it.
   * @param {ImageStatus} status
   * @param {string | null} [comment]
   */
  async set(status, comment = null) {
    const {id} = this.#session;
    if (id === null || !this.#session.isThere || this.isPending) return false;
    this.#note(id, {status, comment, revision: null});
    const make = () => ({method: /** @type {const} */ ("PUT"), path: `api/images/${id}/status`, body: comment === null ? {status} : {status, comment}});
    try {
      await this.#changes.make({make, answered: ({change, revision}) => this.#note(id, {status, comment, revision: change ?? revision})}, id);
      return true;
    } catch (error) {
      this.#note(id, null);
      this.emit("refused", messageOf(error));
      return false;
    }
  }

  /**
   * The id of the next image to do, of those that a list shows; nobody else is given it. `null` where there is none. Throws what
   * `send` throws.
   * @param {Task} task
   * @param {URLSearchParams} query
   * @returns {Promise<number | null>}
   */
  async next(task, query) {
    const asked = new URLSearchParams(query);
    for (const name of NOT_ASKED) asked.delete(name);
    asked.set("client", this.#client);
    if (task === "review") asked.set("task", task);
    const {body} = await send({method: "POST", path: `api/images/next?${asked}`});
    return body?.id ?? null;
  }

  /** A change of anybody's. @param {ToldChange} change */
  heard({revision, edits}) {
    for (const {section, id} of edits) {
      const known = this.#known.get(id);
      // One's own is known from its answer, which may come after.
      const isOwn = known !== undefined && (known.revision === null || known.revision >= revision);
      if (section === "images" && !isOwn) this.#changed.add(id);
    }
    for (const id of [...this.#changed].slice(0, -MOST)) this.#changed.delete(id);
    this.#look();
  }

  /** What is known of the dataset may be of another one. */
  forget() {
    this.#known.clear();
    this.#changed.clear();
    this.emit("change");
  }

  get #current() {
    const {id} = this.#session;
    return id === null ? null : (this.#known.get(id) ?? null);
  }

  #look() {
    const {id} = this.#session;
    if (id !== null && this.#changed.delete(id)) void this.#read(id);
    this.emit("change");
  }

  /**
   * @param {number} id
   * @param {Known | null} known
   */
  #note(id, known) {
    if (known) this.#known.set(id, known);
    else this.#known.delete(id);
    this.emit("change");
  }

  /** @param {Edit[]} edits */
  #undone(edits) {
    for (const {section, id} of edits) if (section === "images") void this.#read(id);
  }

  /** The record that the session has may be older than what is asked for. @param {number} id */
  async #read(id) {
    const before = this.#known.get(id);
    const answer = await get(`api/images/${id}`).catch(() => null);
    if (!answer || this.#known.get(id) !== before) return;
    const image = /** @type {ImageRecord} */ (answer.body);
    this.#note(id, {status: statusOf(image), comment: image.annotation_comment ?? null, revision: answer.revision});
  }
}
