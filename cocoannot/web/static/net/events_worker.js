// The stream of events for all tabs of a browser, as a SharedWorker: it lives as long as one of them.

import {SharedStream} from "./shared_stream.js";

/** @type {Set<MessagePort>} */
const tabs = new Set();
/** @type {SharedStream | null} */
let stream = null;

/**
 * @param {MessagePort} port
 * @param {{act: "follow" | "leave" | "wake" | "restart", base: string, client: string}} asked
 */
function answer(port, {act, base, client}) {
  if (act === "leave") tabs.delete(port);
  else if (act !== "follow") stream?.do(act);
  else {
    tabs.add(port);
    stream ??= new SharedStream({base, client}, (message) => {
      for (const tab of tabs) tab.postMessage(message);
    });
    for (const message of stream.catchUp()) port.postMessage(message);
  }
}

/** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ {ports: [port]}) => {
  port.onmessage = ({data}) => answer(port, data);
};
