// Does the heavy tasks of geometry, one after another, beside the page.

import {tasks} from "./tasks.js";

globalThis.onmessage = ({data: {id, name, given}}) => {
  try {
    globalThis.postMessage({id, value: /** @type {Record<string, (...all: any[]) => unknown>} */ (tasks)[name](...given)});
  } catch (error) {
    globalThis.postMessage({id, error: error instanceof Error ? error.message : String(error)});
  }
};
