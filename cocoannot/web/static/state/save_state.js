// What is saved and what is not, here, on the server's disk and in S3; whether the server can be reached, and whether it was
// started again. It asks the status, often while something is going on.

import {get, isForNow, messageOf, onRevision, send} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {plural} from "./words.js";

/** @import {S3Status, Status} from "../types.js" */
/** @import {Queue} from "./queue.js" */

const SOON = 1000;
const LATER = 2500;
const HIDDEN = 60_000;
/** After a change, and where many follow one another. */
const CHANGED = 200;

/**
 * @typedef {"" | "busy" | "saved" | "unsaved" | "error"} Kind
 * @typedef {{text: string, kind: Kind, title: string, failed: boolean}} Words `failed`: the last save; saving again may help.
 *
 * `announce`: for a screen reader, when the kind is another. `restart`: the server was started since the page was opened.
 * @typedef {{change: undefined, announce: string, restart: undefined, reachable: boolean, problem: string}} Events
 */

/** @extends {Emitter<Events>} */
export class SaveState extends Emitter {
  /** @type {Status | null} */
  status = null;
  reachable = true;
  /** What is saved is told when it is: it needs not be asked for so often. */
  isTold = false;
  #queue;
  #readAt = 0;
  #saving = false;
  #stopped = false;
  /** @type {string | null} */
  #loadedAt = null;
  /** @type {Kind} */
  #announced = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Queue} queue */
  constructor(queue) {
    super();
    this.#queue = queue;
    queue.on("change", () => this.#told());
    onRevision((revision) => {
      // A change that is not in what we know of: look soon.
      if (this.status && revision !== this.status.revision.memory) this.#schedule(Math.max(CHANGED, this.#readAt + SOON - performance.now()));
    });
  }

  /** Ask now, and from now on. */
  async poll() {
    clearTimeout(this.#timer);
    try {
      this.#take((await get("api/status")).body);
    } catch (error) {
      if (isForNow(error)) this.#reach(false);
      else this.emit("problem", messageOf(error));
    }
    this.#told();
    const {status} = this;
    const isHidden = globalThis.document?.hidden ?? false;
    const waits = status?.saver.next_save_in !== null && !this.isTold;
    const isBusy = !this.reachable || this.#saving || waits || status?.s3?.uploading;
    this.#schedule(isHidden && this.reachable ? HIDDEN : isBusy ? SOON : LATER);
  }

  /** Ask no more. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /**
   * Save now; gives what was saved. Throws ApiError: 409 where something else changed the file and `onConflict` is to be chosen.
   * @param {"overwrite"} [onConflict]
   */
  async saveNow(onConflict) {
    this.#saving = true;
    this.#told();
    try {
      /** @type {{body: {saved: boolean, summary: string}}} */
      const {body} = await send({method: "POST", path: "api/flush", body: onConflict ? {on_conflict: onConflict} : {}});
      return body;
    } finally {
      this.#saving = false;
      await this.poll();
    }
  }

  /**
   * Save, then upload to S3. Throws ApiError, with `errors.current_etag` where S3 has another version and is to be chosen about.
   * @param {"overwrite"} [onConflict]
   */
  async upload(onConflict) {
    this.#schedule(300);
    try {
      await send({method: "POST", path: "api/save-to-s3", body: onConflict ? {on_conflict: onConflict} : {}});
    } finally {
      void this.poll();
    }
  }

  /** The last part of the dataset's address. */
  get name() {
    return this.status?.dataset.uri.split("/").at(-1) ?? "";
  }

  /** @returns {Words} */
  words() {
    const [text, kind] = this.#words();
    return {text, kind, title: this.#queue.reason ?? this.status?.saver.last_error ?? "Ctrl+S saves now", failed: text.startsWith("Save failed")};
  }

  /** @returns {[text: string, kind: Kind]} */
  #words() {
    const {status, reachable} = this;
    const waiting = this.#queue.pending;
    if (waiting && (this.#queue.away || !reachable)) return [`Server away - ${plural(waiting, "change")} kept here, trying again`, "error"];
    if (!reachable) return ["Server away - trying again", "error"];
    if (!status) return ["Loading...", ""];
    if (this.#saving || waiting) return [this.#saving ? "Saving..." : "Sending...", "busy"];
    const {saver, revision} = status;
    if (saver.last_error) return [`Save failed: ${shortReason(saver.last_error)} - retry`, "error"];
    if (saver.next_save_in !== null) {
      const seconds = Math.max(0, saver.next_save_in - (performance.now() - this.#readAt) / 1000);
      if (seconds < 0.5) return ["Saving...", "busy"];
      return [`${plural(revision.memory - revision.file, "unsaved change")} - saves in ${Math.ceil(seconds)} s`, "unsaved"];
    }
    return [saver.last_saved_at ? `Saved ${new Date(saver.last_saved_at).toTimeString().slice(0, 8)}` : "Saved", "saved"];
  }

  /** `null` where the dataset is not from S3. */
  s3Words() {
    if (!this.status?.s3) return null;
    const {s3, revision} = this.status;
    return {text: s3Text(s3, revision), state: s3.state, title: s3.last_error ?? s3.uri, uploading: Boolean(s3.uploading)};
  }

  /** @param {Status} status */
  #take(status) {
    this.#readAt = performance.now();
    this.status = status;
    const isOther = this.#loadedAt !== null && this.#loadedAt !== status.dataset.loaded_at;
    this.#loadedAt = status.dataset.loaded_at;
    this.#reach(true);
    if (isOther) this.emit("restart");
  }

  /** @param {boolean} reachable */
  #reach(reachable) {
    // What waits in the queue pauses longer and longer: this shows that it needs not.
    if (reachable && this.#queue.away) this.#queue.wake();
    if (reachable === this.reachable) return;
    this.reachable = reachable;
    this.emit("reachable", reachable);
  }

  #told() {
    this.emit("change");
    const {text, kind} = this.words();
    if (kind === this.#announced || kind === "busy" || kind === "") return;
    this.#announced = kind;
    this.emit("announce", kind === "unsaved" ? "There are unsaved changes" : text);
  }

  /** @param {number} milliseconds */
  #schedule(milliseconds) {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.poll(), milliseconds);
  }
}

/**
 * The reason alone, of a message that says where, what and what to do.
 * @param {string} message
 */
function shortReason(message) {
  const reason = /No space left|Disk quota/.test(message) ? "disk full" : /changed/.test(message) ? "file changed by something else" : null;
  return reason ?? message.replace(/;.*/s, "").replace(/^can't save .*: /, "");
}

/**
 * @param {S3Status} s3
 * @param {Status["revision"]} revision
 */
function s3Text({uploading, state}, revision) {
  if (uploading) return `S3: uploading ${Math.round((100 * uploading.bytes) / Math.max(1, uploading.total))} %`;
  return state === "ahead" && revision.s3 !== null ? `S3: ${revision.memory - revision.s3} ahead` : `S3: ${state}`;
}
