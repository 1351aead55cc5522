import assert from "node:assert/strict";
import test from "node:test";
import {ApiError, Offline} from "../../../cocoannot/web/static/net/api.js";
import {Queue} from "../../../cocoannot/web/static/state/queue.js";
import {until} from "../until.js";

/** @import {Answer, Request} from "../../../cocoannot/web/static/types.js" */

/**
 * A queue whose requests are answered by `answer(request, key)`; `sent` is what was asked.
 * @param {(path: string, key: string, count: number) => unknown} answer
 */
function queueTo(answer, {shortest = 1, longest = 4} = {}) {
  /** @type {{path: string, key: string}[]} */
  const sent = [];
  /** @type {(request: Request, key: string) => Promise<Answer<any>>} */
  const send = async ({path}, key) => {
    sent.push({path, key});
    return /** @type {Answer<any>} */ ({body: await answer(path, key, sent.length)});
  };
  return {queue: new Queue({send, shortest, longest}), sent};
}

/** @param {string} path */
const post = (path) => ({make: () => ({method: /** @type {const} */ ("POST"), path}), answered: (/** @type {Answer<any>} */ {body}) => body});

test("changes go out one after the other, in order", async () => {
  let open = 0;
  const {queue, sent} = queueTo(async (path) => {
    open += 1;
    assert.equal(open, 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    open -= 1;
    return path;
  });
  assert.deepEqual(await Promise.all(["a", "b", "c"].map((path) => queue.push(post(path)))), ["a", "b", "c"]);
  assert.deepEqual(sent.map(({path}) => path), ["a", "b", "c"]);
  assert.equal(new Set(sent.map(({key}) => key)).size, 3);
  assert.equal(queue.pending, 0);
});

test("without an answer the same is sent again, with the same key, before what comes after it", async () => {
  const {queue, sent} = queueTo((path, _, count) => {
    if (count < 4) throw new Offline();
    return path;
  });
  const both = Promise.all([queue.push(post("a")), queue.push(post("b"))]);
  assert.equal(queue.pending, 2);
  await until(() => queue.away, "it is told that the server is away");
  assert.deepEqual(await both, ["a", "b"]);
  assert.deepEqual(sent.map(({path}) => path), ["a", "a", "a", "a", "b"]);
  assert.equal(new Set(sent.slice(0, 4).map(({key}) => key)).size, 1);
  assert(!queue.away);
});

test("a server that can't take changes now is asked again, and its words are kept for the user", async () => {
  for (const status of [503, 507]) {
    /** @type {(string | null)[]} */
    const reasons = [];
    const {queue, sent} = queueTo((_, __, count) => {
      if (count === 1) throw new ApiError(status, {message: "The disk is full"});
    });
    queue.on("change", () => reasons.push(queue.reason));
    await queue.push(post("a"));
    assert(reasons.includes("The disk is full"));
    assert.equal(sent[0].key, sent[1].key);
  }
});

test("pauses grow, up to the longest", async () => {
  /** @type {number[]} */
  const pauses = [];
  const {queue} = queueTo((_, __, count) => {
    pauses.push(queue.pause);
    if (count < 6) throw new Offline();
  });
  await queue.push(post("a"));
  assert.deepEqual(pauses, [1, 2, 4, 4, 4, 4]);
  assert.equal(queue.pause, 1);
});

test("who knows that the server is back ends the pause", async () => {
  let away = true;
  const {queue, sent} = queueTo((path) => {
    if (away) throw new Offline();
    return path;
  }, {shortest: 1_000_000, longest: 1_000_000});
  const done = queue.push(post("a"));
  await until(() => queue.away, "it waits");
  away = false;
  queue.wake();
  assert.equal(await done, "a");
  assert.equal(sent.length, 2);
});

test("what is refused for good is told, and the next goes out", async () => {
  const {queue} = queueTo((path) => {
    if (path === "a") throw new ApiError(422, {message: "That is wrong"});
    return path;
  });
  const [first, second] = await Promise.allSettled([queue.push(post("a")), queue.push(post("b"))]);
  assert.equal(first.status === "rejected" && first.reason.message, "That is wrong");
  assert.equal(second.status === "fulfilled" && second.value, "b");
});

test("a refused change may be made anew, under another key, before what comes after it", async () => {
  const {queue, sent} = queueTo((path) => {
    if (path === "a1") throw new ApiError(412, {message: "Changed"});
    return path;
  });
  let count = 0;
  const job = {make: () => ({method: /** @type {const} */ ("POST"), path: `a${++count}`}), answered: (/** @type {Answer<any>} */ {body}) => body, refused: async () => true};
  assert.deepEqual(await Promise.all([queue.push(job), queue.push(post("b"))]), ["a2", "b"]);
  assert.deepEqual(sent.map(({path}) => path), ["a1", "a2", "b"]);
  assert.notEqual(sent[0].key, sent[1].key);
});

test("a request is made when its turn has come, with what was answered before it", async () => {
  const {queue, sent} = queueTo((path) => `${path}!`);
  let known = "";
  void queue.push({...post("a"), answered: ({body}) => (known = body)});
  await queue.push({...post(""), make: () => ({method: /** @type {const} */ ("POST"), path: known})});
  assert.deepEqual(sent.map(({path}) => path), ["a", "a!"]);
});

test("where nothing is left to do, nothing is sent", async () => {
  const {queue, sent} = queueTo(() => null);
  assert.equal(await queue.push({make: () => null, answered: () => 1}), null);
  assert.equal(sent.length, 0);
});
