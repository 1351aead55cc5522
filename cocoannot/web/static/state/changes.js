// What this page has changed, for undo and redo. The server makes the inverse of a change, from the texts that it keeps; here is
// only which changes were made, in order.

import {ApiError, get, messageOf} from "../net/api.js";
import {Emitter} from "./emitter.js";
import {plural} from "./words.js";

/** @import {Answer, Edit} from "../types.js" */
/** @import {Job, Queue} from "./queue.js" */

/**
 * A change that was made: its revision, and the image that it was on.
 * @typedef {{revision: number, imageId: number | null}} Made
 */

const MOST = 1000;

/** Changes that can be taken back, the newest last, with those that are on their way to it and from it. */
class Stack {
  /** @type {Made[]} */
  made = [];
  coming = 0;
  wanted = 0;

  get isEmpty() {
    return this.made.length + this.coming - this.wanted <= 0;
  }

  /** @param {Made} made */
  add(made) {
    this.made.push(made);
    if (this.made.length > MOST) this.made.shift();
  }
}

/**
 * `undone`: what the server has undone or redone. `refused`: why it has not, for a person. `change`: what can be undone is other.
 * @extends {Emitter<{change: undefined, undone: {imageId: number | null, edits: Edit[]}, refused: string}>}
 */
export class Changes extends Emitter {
  #undoable = new Stack();
  #redoable = new Stack();

  /** @param {Queue} queue */
  constructor(queue) {
    super();
    this.queue = queue;
  }

  /** Also where what there is to undo is not answered yet. */
  canUndo() {
    return !this.#undoable.isEmpty;
  }

  canRedo() {
    return !this.#redoable.isEmpty;
  }

  /**
   * Make a change that can be undone; as the queue's `push`.
   * @template T
   * @param {Job<T>} job
   * @param {number | null} imageId
   * @returns {Promise<T | null>}
   */
  make(job, imageId) {
    const come = this.#comeTo(this.#undoable);
    /** @param {Answer<any>} answer */
    const answered = (answer) => {
      if (answer.change !== null) {
        this.#redoable.made.length = 0;
        come({revision: answer.change, imageId});
      }
      return job.answered(answer);
    };
    return this.queue.push({...job, answered}).finally(() => come(null));
  }

  /** Take the last change back, once all that was asked for before is answered. */
  async undo() {
    if (this.canUndo()) await this.#move(this.#undoable, this.#redoable, "undo");
  }

  async redo() {
    if (this.canRedo()) await this.#move(this.#redoable, this.#undoable, "redo");
  }

  /**
   * @param {Stack} from
   * @param {Stack} to
   * @param {"undo" | "redo"} word
   */
  #move(from, to, word) {
    from.wanted += 1;
    const come = this.#comeTo(to);
    /** @type {Made | undefined} */
    let made;
    const make = () => {
      from.wanted -= 1;
      made = from.made.pop();
      return made ? {method: /** @type {const} */ ("POST"), path: `api/changes/${made.revision}/undo`} : null;
    };
    const answered = (/** @type {Answer<any>} */ {change, body}) => {
      const imageId = made?.imageId ?? null;
      come({revision: change ?? body.revision, imageId});
      this.emit("undone", {imageId, edits: body.edits});
    };
    const refused = async (/** @type {unknown} */ error) => {
      this.emit("refused", whyNot(error, word, await builderUpon(error)));
      return false;
    };
    return this.queue.push({make, answered, refused}).finally(() => come(null));
  }

  /**
   * One is on its way to a stack; to be called with it when it is there, or with `null` where it will not come.
   * @param {Stack} stack
   */
  #comeTo(stack) {
    let isComing = true;
    stack.coming += 1;
    this.emit("change");
    return (/** @type {Made | null} */ made) => {
      if (made) stack.add(made);
      if (isComing) stack.coming -= 1;
      isComing = false;
      this.emit("change");
    };
  }
}

/**
 * Who has changed an annotation since, because of which an undo is refused; `null` where that is not known.
 * @param {unknown} error
 * @returns {Promise<string | null>}
 */
async function builderUpon(error) {
  if (!(error instanceof ApiError) || error.status !== 409) return null;
  const edit = editsOf(error).find(({section}) => section === "annotations");
  const versions = edit && (await get(`api/annotations/${edit.id}/history`).catch(() => null));
  return versions?.body.at(-1)?.user ?? null;
}

/**
 * In words for a person. The step is given up; those before it stay.
 * @param {unknown} error
 * @param {"undo" | "redo"} word
 * @param {string | null} user who changed it since
 */
function whyNot(error, word, user) {
  if (!(error instanceof ApiError)) return messageOf(error);
  if (error.status === 404) return `This change can't be ${word === "undo" ? "undone" : "done again"}: the server does not keep it any more.`;
  if (error.status !== 409) return `Can't ${word}: ${error.message}`;
  return `Can't ${word}: ${what(editsOf(error))} changed since then${user ? ` by ${user}` : ""}. The step is left out; the steps before it are kept.`;
}

/**
 * @param {ApiError} error
 * @returns {Edit[]}
 */
const editsOf = ({errors}) => (Array.isArray(errors.edits) ? errors.edits : []);

/** @param {Edit[]} edits */
function what(edits) {
  if (!edits.length) return "something that it is about was";
  const [{section, id}] = edits;
  const noun = {images: "image", annotations: "annotation", categories: "category"}[section];
  return edits.length === 1 ? `${noun} ${id} was` : `${plural(edits.length, "record")} were`;
}
