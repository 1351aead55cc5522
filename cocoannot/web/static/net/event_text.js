// Server-sent events as text, from the WHATWG's HTML standard (9.2): blocks of lines, an empty line after each. What events mean is
// not known here.

/** @import {EventMessage} from "../types.js" */

export class EventText {
  #rest = "";
  /** @type {string | null} Of the newest block that had one: a stream goes on from there. */
  id = null;

  /** @param {string | null} [id] of the last event before */
  constructor(id = null) {
    this.id = id;
  }

  /**
   * The events that a piece of the stream completes. A block without data (an id alone) is none. Throws SyntaxError where the data
   * is not JSON.
   * @param {string} piece
   * @returns {EventMessage[]}
   */
  take(piece) {
    const blocks = (this.#rest + piece).split(/\r?\n\r?\n/);
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => this.#read(block) ?? []);
  }

  /**
   * @param {string} block
   * @returns {EventMessage | null}
   */
  #read(block) {
    let event = "message";
    /** @type {string | null} */
    let id = null;
    /** @type {string[]} */
    const data = [];
    for (const line of block.split(/\r?\n/)) {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "id") id = value;
      else if (name === "event") event = value;
      else if (name === "data") data.push(value);
    }
    if (id !== null) this.id = id;
    return data.length ? {event, id, data: JSON.parse(data.join("\n"))} : null;
  }
}
