// Sending what was changed on an image, and what becomes of it: answered, refused, or somebody else was faster.
//
//   applied at once --answered--> the server's record
//        |  \--refused--> taken back, with words
//        \--somebody else changed it--> the user chooses: mine is sent again, or theirs stays

import {ApiError, messageOf} from "../net/api.js";
import {Emitter} from "./emitter.js";

/** @import {Answer, Conflict, Differences} from "../types.js" */
/** @import {Changes} from "./changes.js" */
/** @import {Records} from "./records.js" */
/** @import {Edit} from "./rows.js" */

/**
 * `read` brings the server's list into the records; `byOthers` where what is other was not made by this page. `told`: what was
 * shown of these records is other.
 * @typedef {object} Parts
 * @property {Changes} changes
 * @property {(records: Records, byOthers: boolean) => Promise<void>} read
 * @property {(records: Records, differences: Differences) => void} told
 */

/** @extends {Emitter<{refused: string, conflict: Conflict}>} */
export class Edits extends Emitter {
  #parts;

  /** @param {Parts} parts */
  constructor(parts) {
    super();
    this.#parts = parts;
  }

  /**
   * One change, one undo. It is there at once; the promise is for those who wait for the server.
   * @param {Records} records
   * @param {Edit[]} edits
   */
  async make(records, edits) {
    const change = {};
    const {changes, read, told} = this.#parts;
    told(records, records.apply(edits, change));
    /** @type {ReturnType<Records["operations"]>} */
    let sent = {keys: [], operations: []};
    let tries = 0;
    const make = async () => {
      if (records.stale) await read(records, false);
      sent = records.operations(change);
      const body = {operations: sent.operations};
      return sent.operations.length ? {method: /** @type {const} */ ("POST"), path: "api/annotations/batch", body} : null;
    };
    const answered = (/** @type {Answer<any>} */ {body, revision, change: made}) =>
      told(records, records.answered(change, sent.keys, body.results, {revision, made}));
    const refused = async (/** @type {unknown} */ error) => {
      tries += 1;
      if (await this.#settle(records, change, error, tries)) return true;
      told(records, records.drop(change));
      return false;
    };
    try {
      await changes.make({make, answered, refused}, records.imageId);
    } catch (error) {
      told(records, records.drop(change));
      this.emit("refused", messageOf(error));
    }
  }

  /**
   * Whether what is left of a refused change is to be sent again.
   * @param {Records} records
   * @param {object} change
   * @param {unknown} error
   * @param {number} tries
   */
  async #settle(records, change, error, tries) {
    const isConflict = error instanceof ApiError && (error.status === 412 || error.status === 404);
    if (!isConflict) {
      this.emit("refused", `Not changed: ${plain(error)}`);
      return false;
    }
    await this.#parts.read(records, true);
    const conflicts = records.conflicts(change);
    const [asked, agreed] = [conflicts.filter((each) => !isAgreed(each)), conflicts.filter(isAgreed)];
    this.#parts.told(records, records.drop(change, {keys: keysOf(agreed), later: true}));
    if (asked.length && (await this.#ask(asked)) === "mine") records.insist(keysOf(asked));
    else this.#parts.told(records, records.drop(change, {keys: keysOf(asked), later: true}));
    if (conflicts.length || tries < 3) return true;
    this.emit("refused", `Not changed: ${plain(error)}`);
    return false;
  }

  /**
   * Theirs stays where nobody can be asked.
   * @param {ReturnType<Records["conflicts"]>} conflicts
   * @returns {Promise<"mine" | "theirs">}
   */
  async #ask(conflicts) {
    const [{mine, theirs, before, author}] = conflicts;
    const count = conflicts.length;
    if (this.isHeard("conflict")) return new Promise((resolve) => this.emit("conflict", {mine, theirs, before, author, count, resolve}));
    this.emit("refused", `${author?.user ?? "Somebody else"} changed this annotation; theirs was kept.`);
    return "theirs";
  }
}

/** Both have deleted it. @param {ReturnType<Records["conflicts"]>[number]} conflict */
const isAgreed = ({deletes, theirs}) => deletes && theirs === null;

/** @param {{key: string}[]} conflicts */
const keysOf = (conflicts) => new Set(conflicts.map(({key}) => key));

/**
 * What the server says, without what only a program sent.
 * @param {unknown} error
 */
function plain(error) {
  const message = messageOf(error).replace(/^operation \d+:? ?/i, "");
  return message.charAt(0).toLowerCase() + message.slice(1);
}
