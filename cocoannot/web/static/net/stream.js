// Following the dataset's changes: one connection after another, each of which goes on where the last one ended. Who shares it,
// and what events mean, is not known here. It is read by `fetch`: EventSource hides the status, and gives up at a 401 or 503.
//
//   connecting --hello--> following --end or silence--> connecting, after a pause that grows
//      |  \--401--> out, until somebody has logged in
//      |  \--no answer--> away, then again after a pause that grows
//      \--no stream can be had, though the server answers--> polling, then connecting once more after a minute

import {EventText} from "./event_text.js";
import {Polling, Refused} from "./polling.js";

/** @import {EventMessage, StreamState} from "../types.js" */

/**
 * In milliseconds: `silence`, after which a stream is taken for dead (the server writes each 15 seconds); `first`, within which its
 * first event must come; pauses from `shortest` to `longest`; `poll`, how long to ask for changes before a stream is tried again.
 */
const TIMES = {silence: 40_000, first: 10_000, shortest: 500, longest: 15_000, poll: 60_000};

/** So many streams are tried before changes are asked for. */
const FEW = 2;

export class Stream {
  /** @type {StreamState} */
  #state = "connecting";
  /** @type {string | null} */
  #last = null;
  #failed = 0;
  #pause;
  #ended = false;
  /** @type {(() => void) | null} */
  #wake = null;
  #abort = new AbortController();
  /** The connection was given up for another one. */
  #isAnew = false;

  /**
   * @param {object} options
   * @param {string} options.base The page's address: calls go to `api/...` below it.
   * @param {string} options.client What this browser is called at the server.
   * @param {(message: EventMessage) => void} options.tell Hears of each event, and of `state`.
   * @param {Partial<typeof TIMES>} [options.times]
   */
  constructor({base, client, tell, times = {}}) {
    this.base = base;
    this.client = client;
    this.tell = tell;
    this.times = {...TIMES, ...times};
    this.#pause = this.times.shortest;
  }

  /** Follow until `end`. */
  async run() {
    while (!this.#ended) {
      try {
        await (this.#failed >= FEW ? this.#poll() : this.#read());
        if (!this.#ended) await this.#rest(this.times.shortest);
      } catch (error) {
        if (!this.#ended) await this.#recover(error);
      }
    }
  }

  /** Try now: the server may be there again, or somebody has logged in. */
  wake() {
    this.#pause = this.times.shortest;
    this.#wake?.();
  }

  /** Begin anew: somebody else has logged in, or out. */
  restart() {
    this.#isAnew = true;
    this.#abort.abort();
    this.wake();
  }

  end() {
    this.#ended = true;
    this.restart();
  }

  /** One connection, until it ends. */
  async #read() {
    const {silence, first} = this.times;
    const abort = (this.#abort = new AbortController());
    let timer = setTimeout(() => abort.abort(), first);
    try {
      const headers = {Accept: "text/event-stream", ...(this.#last === null ? {} : {"Last-Event-ID": this.#last})};
      const address = `${this.base}api/events?client=${encodeURIComponent(this.client)}`;
      const response = await fetch(address, {headers, cache: "no-store", credentials: "same-origin", signal: abort.signal});
      if (!response.ok || !response.body) throw new Refused(response.status);
      const text = new EventText(this.#last);
      for await (const piece of pieces(response.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), silence);
        for (const message of text.take(piece)) this.#take(message);
        this.#last = text.id;
      }
      if (this.#state !== "following") throw new Refused(0);
    } catch (error) {
      // It answered, and said nothing: something between the server and here keeps events back.
      throw abort.signal.aborted && this.#state !== "following" ? new Refused(0) : error;
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  /** @param {EventMessage} message */
  #take(message) {
    if (message.event === "hello") {
      this.#failed = 0;
      this.#pause = this.times.shortest;
      this.#become("following");
    }
    this.tell(message);
  }

  async #poll() {
    const abort = (this.#abort = new AbortController());
    const polling = new Polling(this.base, abort.signal);
    const before = this.#last === null ? null : Number(this.#last.split(":").at(-1));
    for await (const message of polling.follow(before, this.times.poll)) {
      this.#become("polling");
      this.tell(message);
      // A revision alone means the lineage of now.
      this.#last = String(polling.revision);
    }
    this.#failed = FEW - 1;
    this.#become("connecting");
  }

  /** @param {unknown} error */
  async #recover(error) {
    if (this.#isAnew) {
      this.#isAnew = false;
      return this.#become("connecting");
    }
    const status = error instanceof Refused ? error.status : -1;
    if (status === 401) {
      this.#become("out", status);
      return this.#rest(this.times.longest);
    }
    const isThere = status >= 0 && status !== 502 && status !== 504;
    if (isThere) this.#failed = this.#failed >= FEW ? 0 : this.#failed + 1;
    this.#become(isThere ? "connecting" : "away", Math.max(0, status));
    await this.#rest(this.#pause);
    this.#pause = Math.min(this.times.longest, this.#pause * 2);
  }

  /**
   * @param {StreamState} state
   * @param {number} [status]
   */
  #become(state, status = 0) {
    if (state === this.#state) return;
    this.#state = state;
    this.tell({event: "state", id: null, data: {state, status}});
  }

  /** Not all browsers at once: they lost the server at the same time. @param {number} pause */
  async #rest(pause) {
    if (this.#state === "following") this.#become("connecting");
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, pause * (0.75 + Math.random() / 2));
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.#wake = null;
  }
}

/** @param {ReadableStream<Uint8Array>} body */
async function* pieces(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    yield decoder.decode(value, {stream: true});
  }
}
