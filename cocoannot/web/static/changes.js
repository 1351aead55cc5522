// Changes on their way: sent in order, kept while the server is away, undone and redone.
//
//   waiting --sent--> answered        `pending()` counts those that the server has not answered
//      ^        |
//      +--no answer: a pause that grows; then it is looked whether the change was made

import {ApiError, Offline, get, send} from "./api.js";

/** @import {Annotation, Operation, Result} from "./types.js" */

/**
 * A change on its way.
 * @typedef {{imageId: number, operations: Operation[], known: Set<number>}} Asked
 * @typedef {Asked & {resolve: (results: Result[]) => void, reject: (error: unknown) => void, uncertain: boolean}} Waiting
 *
 * A record before a change and after it, with the ETag that it has now.
 * @typedef {{id: number, before: Annotation | null, after: Annotation | null, etag: string | null}} Step
 *
 * A change that was made: of annotations, or of another kind.
 * @typedef {{imageId: number, steps: Step[], run?: undefined}} AnnotationsChanged
 * @typedef {{run: () => Promise<unknown>, undoRun: () => Promise<unknown>}} OtherChanged
 * @typedef {AnnotationsChanged | OtherChanged} Made
 */

/** @type {Waiting[]} */
const queue = [];
/** @type {Set<Promise<unknown>>} */
const unanswered = new Set();
/** @type {Made[]} */
const undoable = [];
/** @type {Made[]} */
const redoable = [];
/** @type {Set<() => void>} */
const listeners = new Set();
let running = false;
let away = false;
let pause = 0;

export const pending = () => queue.length;
export const isAway = () => away;
export const canUndo = () => undoable.length > 0;
export const canRedo = () => redoable.length > 0;

/**
 * Calls `listener()` whenever something about the queue changed.
 * @param {() => void} listener
 */
export function onChange(listener) {
  listeners.add(listener);
}

/**
 * Make a change that can be undone. `operations` are the batch API's, `before` the record that each of them changes,
 * `null` for a new one, `known` the ids that the image's annotations had. Gives the batch's results; throws ApiError.
 * @param {number} imageId
 * @param {Operation[]} operations
 * @param {(Annotation | null)[]} before
 * @param {Iterable<number>} known
 */
export function change(imageId, operations, before, known = []) {
  return noted(make(imageId, operations, before, new Set(known)));
}

/**
 * @param {number} imageId
 * @param {Operation[]} operations
 * @param {(Annotation | null)[]} before
 * @param {Set<number>} known
 */
async function make(imageId, operations, before, known) {
  const results = await enqueue({imageId, operations, known});
  const steps = results.map((result, i) => ({
    id: /** @type {Annotation} */ (result.annotation ?? before[i]).id,
    before: before[i],
    after: result.annotation,
    etag: result.etag,
  }));
  remember({imageId, steps});
  return results;
}

/**
 * A change of another kind, with functions that undo and redo it.
 * @param {() => Promise<unknown>} run
 * @param {() => Promise<unknown>} undoRun
 */
export function changeBy(run, undoRun) {
  return noted(run().then((result) => {
    remember({undoRun, run});
    return result;
  }));
}

/**
 * What is being made can be undone only when it is: who undoes waits for it.
 * @template T
 * @param {Promise<T>} promise
 */
function noted(promise) {
  unanswered.add(promise);
  const forget = () => unanswered.delete(promise);
  promise.then(forget, forget);
  return promise;
}

/** Take the last change back; gives the id of the image that it was on, `null` where there is none. */
export const undo = () => move(undoable, redoable, "before");
export const redo = () => move(redoable, undoable, "after");

/** @param {Made} entry */
function remember(entry) {
  undoable.push(entry);
  if (undoable.length > 1000) undoable.shift();
  redoable.length = 0;
  tell();
}

/**
 * @param {Made[]} from
 * @param {Made[]} to
 * @param {"before" | "after"} side
 */
async function move(from, to, side) {
  await Promise.allSettled([...unanswered]);
  const entry = from.pop();
  if (!entry) return null;
  tell();
  try {
    if (entry.run) {
      await (side === "before" ? entry.undoRun() : entry.run());
    } else {
      await restore(entry, side);
    }
  } catch (error) {
    // It does not fit any more: somebody else was here. Nor will what came before it.
    if (error instanceof ApiError && [404, 409, 412].includes(error.status)) {
      from.length = 0;
      throw new ApiError(error.status, {message: `Not possible any more: ${error.message}`}, error.etag);
    }
    from.push(entry);
    throw error;
  } finally {
    tell();
  }
  to.push(entry);
  tell();
  return entry.run ? null : entry.imageId;
}

/**
 * Bring every record of `entry` to what it was, exactly: id, area and all.
 * @param {AnnotationsChanged} entry
 * @param {"before" | "after"} side
 */
async function restore(entry, side) {
  const other = side === "before" ? "after" : "before";
  /** @type {Operation[]} */
  const operations = [];
  for (const step of entry.steps) {
    const annotation = step[side];
    if (step[other]) operations.push({op: "delete", id: step.id, ...(step.etag ? {if_match: step.etag} : {})});
    if (annotation) operations.push({op: "restore", annotation});
  }
  const results = await enqueue({imageId: entry.imageId, operations, known: new Set()});
  let i = 0;
  for (const step of entry.steps) {
    step.etag = null;
    if (step[other]) i += 1;
    if (step[side]) step.etag = results[i++].etag;
  }
}

/**
 * @param {Asked} entry
 * @returns {Promise<Result[]>}
 */
function enqueue(entry) {
  return new Promise((resolve, reject) => {
    queue.push({...entry, resolve, reject, uncertain: false});
    tell();
    void run();
  });
}

async function run() {
  if (running) return;
  running = true;
  while (queue.length) {
    const entry = queue[0];
    try {
      const results = (entry.uncertain && (await alreadyMade(entry))) || (await post(entry));
      queue.shift();
      entry.resolve(results);
      setAway(false);
    } catch (error) {
      if (!(error instanceof Offline) && !isTemporary(error)) {
        queue.shift();
        setAway(false);
        entry.reject(error);
        continue;
      }
      entry.uncertain ||= error instanceof Offline;
      setAway(true);
      pause = Math.min(15_000, pause * 2 || 500);
      await new Promise((resume) => setTimeout(resume, pause));
    }
  }
  running = false;
  tell();
}

/** @param {unknown} error */
const isTemporary = (error) => error instanceof ApiError && [503, 507].includes(error.status);

/** @param {Asked} entry */
async function post({operations}) {
  return (await send("POST", "api/annotations/batch", {operations})).body.results;
}

/**
 * Where no answer came: what the change would have brought, if it is there; else `null`.
 * @param {Asked} entry
 */
async function alreadyMade({imageId, operations, known}) {
  const {body} = await get(`api/images/${imageId}/annotations?with=etag`);
  const found = new Map(body.map((annotation) => [annotation.id, annotation]));
  /** @type {Set<number>} */
  const taken = new Set();
  /** @type {Result[]} */
  const results = [];
  for (const [i, operation] of operations.entries()) {
    if (operation.op === "delete") {
      const restored = operations.slice(i + 1).some((later) => later.op === "restore" && later.annotation.id === operation.id);
      if (found.has(operation.id) && !restored) return null;
      results.push({annotation: null, etag: null});
      continue;
    }
    const wanted = operation.op === "update" ? operation.changes : operation.annotation;
    const isNew = (/** @type {Annotation} */ record) => !known.has(record.id) && !taken.has(record.id);
    const id = operation.op === "update" ? operation.id : operation.op === "restore" ? operation.annotation.id : null;
    const candidates = id === null ? body.filter(isNew) : [found.get(id)];
    const match = candidates.find((record) => record && holds(record, wanted));
    if (!match) return null;
    taken.add(match.id);
    const {_etag: etag, ...annotation} = match;
    results.push({annotation, etag});
  }
  return results;
}

/** @type {(one: unknown, other: unknown) => boolean} */
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
/** @type {(record: Record<string, any>, wanted: object) => boolean} */
const holds = (record, wanted) => Object.entries(wanted).every(([key, value]) => (value === null ? !(key in record) : same(record[key], value)));

/** @param {boolean} value */
function setAway(value) {
  if (!value) pause = 0;
  away = value;
  tell();
}

function tell() {
  for (const listener of listeners) listener();
}

window.addEventListener("beforeunload", (event) => {
  if (queue.length) event.preventDefault();
});
