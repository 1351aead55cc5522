// Everybody's changes, and who is where, as they come: one stream for all tabs of a browser. A SharedWorker reads it; where there is
// none, the tab that holds a lock reads it for the others; where there are no locks either (plain http), each tab reads its own. What
// events mean is not known here.

import {Emitter} from "../state/emitter.js";
import {newKey} from "./api.js";
import {SharedStream} from "./shared_stream.js";

/** @import {EventMessage, Hello, Present, StreamState, ToldChange} from "../types.js" */
/** @import {Act} from "./shared_stream.js" */

/**
 * `hello`: also where this tab comes to a stream that others follow already. `state`: whether changes come by themselves.
 * @typedef {{
 *   hello: Hello, change: ToldChange, reset: {revision: number}, saved: {file: number, s3: number | null}, presence: Present,
 *   restart: unknown, state: {state: StreamState, status: number},
 * }} Told
 */

const PLACE = "cocoannot.client";
/** @type {ReadonlySet<string>} */
const KNOWN = new Set(["hello", "change", "reset", "saved", "presence", "restart", "state"]);

/** @extends {Emitter<Told>} */
export class Events extends Emitter {
  /** What this browser is called at the server, the same in all of its tabs. */
  client = clientName();
  /** @type {StreamState} */
  state = "connecting";
  #base = new URL(".", document.baseURI).href;
  /** @type {(act: Act) => void} */
  #ask = () => {};

  /** From now on. */
  follow() {
    if (typeof SharedWorker === "function") this.#byWorker();
    else this.#withoutWorker();
  }

  /** The server may be there again: try now. */
  wake() {
    this.#ask("wake");
  }

  /** Somebody has logged in or out. */
  restart() {
    this.#ask("restart");
  }

  #byWorker() {
    const {client} = this;
    const base = this.#base;
    const worker = new SharedWorker(new URL("./events_worker.js", import.meta.url), {type: "module", name: base});
    const {port} = worker;
    const post = (/** @type {Act | "follow" | "leave"} */ act) => port.postMessage({act, base, client});
    worker.onerror = () => {
      worker.onerror = null;
      this.#withoutWorker();
    };
    port.onmessage = ({data}) => this.#take(data);
    this.#ask = post;
    post("follow");
    window.addEventListener("pagehide", () => post("leave"));
    window.addEventListener("pageshow", ({persisted}) => persisted && post("follow"));
  }

  #withoutWorker() {
    if (navigator.locks && typeof BroadcastChannel === "function") this.#byLock();
    else this.#byItself();
  }

  /** The lock is let go by the browser when the tab ends, however it ends. */
  #byLock() {
    const name = `cocoannot ${this.#base}`;
    const channel = new BroadcastChannel(name);
    /** @type {SharedStream | null} */
    let own = null;
    channel.onmessage = ({data}) => {
      if (data.event) this.#take(data);
      else if (data.act === "late") own?.catchUp().forEach((message) => channel.postMessage(message));
      else own?.do(data.act);
    };
    this.#ask = (act) => (own ? own.do(act) : channel.postMessage({act}));
    channel.postMessage({act: "late"});
    void navigator.locks.request(name, () => {
      own = this.#open((message) => channel.postMessage(message));
      return new Promise(() => {});
    });
  }

  #byItself() {
    const own = this.#open(() => {});
    this.#ask = (act) => own.do(act);
  }

  /** @param {(message: EventMessage) => void} tellOthers */
  #open(tellOthers) {
    return new SharedStream({base: this.#base, client: this.client}, (message) => {
      this.#take(message);
      tellOthers(message);
    });
  }

  /** @param {EventMessage} message */
  #take({event, data}) {
    if (event === "state") this.state = data.state;
    if (KNOWN.has(event)) this.emit(/** @type {keyof Told} */ (event), data);
  }
}

function clientName() {
  const made = newKey();
  try {
    const known = localStorage.getItem(PLACE);
    if (known === null) localStorage.setItem(PLACE, made);
    return known ?? made;
  } catch {
    return made;
  }
}
