// A stream that several tabs hear: what one that comes later has to know, and what tabs may ask of it. How messages get to tabs is
// known elsewhere.

import {Stream} from "./stream.js";

/** @import {EventMessage, Present} from "../types.js" */

/** @typedef {"wake" | "restart"} Act What a tab asks for: try now; begin anew, since somebody else has logged in or out. */

export class SharedStream {
  /** @type {EventMessage | null} */
  #state = null;
  /** @type {EventMessage | null} */
  #hello = null;
  /** @type {Map<string, Present>} */
  #present = new Map();

  /**
   * @param {{base: string, client: string}} options
   * @param {(message: EventMessage) => void} tell
   */
  constructor(options, tell) {
    this.stream = new Stream({
      ...options,
      tell: (message) => {
        this.#note(message);
        tell(message);
      },
    });
    void this.stream.run();
  }

  /** @param {Act} act */
  do(act) {
    if (act === "wake") this.stream.wake();
    if (act === "restart") this.stream.restart();
  }

  /**
   * For a tab that was not there from the start.
   * @returns {EventMessage[]}
   */
  catchUp() {
    const hello = this.#hello && {...this.#hello, data: {...this.#hello.data, present: [...this.#present.values()]}};
    return [this.#state, hello].filter((message) => message !== null);
  }

  /** @param {EventMessage} message */
  #note(message) {
    const {event, data} = message;
    if (event === "state") this.#state = message;
    if (event === "hello") {
      this.#hello = message;
      this.#present = new Map((data.present ?? []).map((/** @type {Present} */ each) => [nameOf(each), each]));
    }
    if (event === "presence") {
      if (data.gone) this.#present.delete(nameOf(data));
      else this.#present.set(nameOf(data), data);
    }
    if ((event === "change" || event === "reset") && this.#hello) this.#hello.data.revision = data.revision;
  }
}

/**
 * Two people may give their clients the same name.
 * @param {Present} present
 */
export const nameOf = ({user, client}) => `${user ?? ""}\n${client}`;
