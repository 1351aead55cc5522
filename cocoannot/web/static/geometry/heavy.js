// Geometry that may take longer than a frame, in a worker, so that the page goes on meanwhile. The worker starts with the
// first thing that is asked of it. Where there are no workers, as under node, it is done on the spot.

/** @typedef {typeof import("./tasks.js").tasks} Tasks */
/** @typedef {{id: number, value?: unknown, error?: string}} Answer */
/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void}} Waiting */

/** @type {Worker | null} */
let worker = null;
/** @type {Map<number, Waiting>} */
const waiting = new Map();
let asked = 0;

/**
 * What a task gives for what it takes. Rejects with a RangeError that says why it can't be done.
 * @template {keyof Tasks} Name
 * @param {Name} name
 * @param {Parameters<Tasks[Name]>} given
 * @returns {Promise<ReturnType<Tasks[Name]>>}
 */
export async function heavy(name, ...given) {
  if (typeof Worker !== "function") {
    const {tasks} = await import("./tasks.js");
    return /** @type {(...all: any[]) => any} */ (tasks[name])(...given);
  }
  worker ??= started();
  const id = asked++;
  /** @type {Promise<any>} */
  const answer = new Promise((resolve, reject) => waiting.set(id, {resolve, reject}));
  worker.postMessage({id, name, given});
  return answer;
}

function started() {
  const made = new Worker(new URL("./worker.js", import.meta.url), {type: "module"});
  made.onmessage = ({data}) => settle(data);
  // It could not be loaded, or has no memory left: the next task gets another one.
  made.onerror = () => {
    worker = null;
    for (const id of [...waiting.keys()]) settle({id, error: "this can't be worked out now: try again"});
  };
  return made;
}

/** @param {Answer} answer */
function settle({id, value, error}) {
  const found = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) found?.resolve(value);
  else found?.reject(new RangeError(error));
}
