// What this page has changed, for undo and redo. The server makes the inverse of a change, from the texts that it keeps; here is
// only which changes were made, in order.

import {ApiError, messageOf} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {plural} from "./words.js";

/** @import {Answer, Edit} from "../types.js" */
/** @import {Job, Queue} from "./queue.js" */

/**
 * A change that was made: its revision, and the image that it was on.
 * @typedef {{revision: number, imageId: number | null}} Made
 */

const MOST = 1000;

/**
 * `undone`: what the server has undone or redone. `refused`: why it has not, for a person. `change`: what can be undone is other.
 * @extends {Emitter<{change: undefined, undone: {imageId: number | null, edits: Edit[]}, refused: string}>}
 */
export class Changes extends Emitter {
  /** @type {Made[]} */
  #undoable = [];
  /** @type {Made[]} */
  #redoable = [];
  /** Unanswered ones: of changes, less of undos. */
  #expected = 0;

  /** @param {Queue} queue */
  constructor(queue) {
    super();
    this.queue = queue;
  }

  canUndo() {
    return this.#undoable.length + this.#expected > 0;
  }

  canRedo() {
    return this.#redoable.length > 0;
  }

  /**
   * Make a change that can be undone; as the queue's `push`.
   * @template T
   * @param {Job<T>} job
   * @param {number | null} imageId
   * @returns {Promise<T | null>}
   */
  make(job, imageId) {
    /** @param {Answer<any>} answer */
    const answered = (answer) => {
      if (answer.change !== null) {
        this.#remember(this.#undoable, {revision: answer.change, imageId});
        this.#redoable.length = 0;
      }
      return job.answered(answer);
    };
    return this.#counted(1, this.queue.push({...job, answered}));
  }

  /** Take the last change back, once all that was asked for before is answered. */
  async undo() {
    if (this.canUndo()) await this.#counted(-1, this.#move(this.#undoable, this.#redoable, "undo"));
  }

  async redo() {
    await this.#move(this.#redoable, this.#undoable, "redo");
  }

  /**
   * @param {Made[]} from
   * @param {Made[]} to
   * @param {"undo" | "redo"} word
   */
  #move(from, to, word) {
    /** @type {Made | undefined} */
    let made;
    return this.queue.push({
      make: () => {
        made = from.pop();
        return made ? {method: /** @type {const} */ ("POST"), path: `api/changes/${made.revision}/undo`} : null;
      },
      answered: ({change, body}) => {
        const imageId = made?.imageId ?? null;
        this.#remember(to, {revision: change ?? body.revision, imageId});
        this.emit("undone", {imageId, edits: body.edits});
      },
      refused: (error) => {
        this.emit("refused", whyNot(error, word));
        return false;
      },
    });
  }

  /**
   * @param {Made[]} stack
   * @param {Made} made
   */
  #remember(stack, made) {
    stack.push(made);
    if (stack.length > MOST) stack.shift();
    this.emit("change");
  }

  /**
   * @template T
   * @param {number} count
   * @param {Promise<T>} promise
   */
  async #counted(count, promise) {
    this.#expected += count;
    this.emit("change");
    try {
      return await promise;
    } finally {
      this.#expected -= count;
      this.emit("change");
    }
  }
}

/**
 * In words for a person. The step is given up; those before it stay.
 * @param {unknown} error
 * @param {"undo" | "redo"} word
 */
function whyNot(error, word) {
  if (!(error instanceof ApiError)) return messageOf(error);
  if (error.status === 404) return `This change can't be ${word === "undo" ? "undone" : "done again"}: the server does not keep it any more.`;
  if (error.status !== 409) return `Can't ${word}: ${error.message}`;
  /** @type {Edit[]} */
  const edits = Array.isArray(error.errors.edits) ? error.errors.edits : [];
  const who = typeof error.errors.user === "string" ? ` by ${error.errors.user}` : "";
  return `Can't ${word}: ${what(edits)} changed since then${who}. The step is left out; the steps before it are kept.`;
}

/** @param {Edit[]} edits */
function what(edits) {
  if (!edits.length) return "something that it is about was";
  const [{section, id}] = edits;
  const noun = {images: "image", annotations: "annotation", categories: "category"}[section];
  return edits.length === 1 ? `${noun} ${id} was` : `${plural(edits.length, "record")} were`;
}
