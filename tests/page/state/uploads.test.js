import assert from "node:assert/strict";
import test from "node:test";
import {ApiError, Offline} from "../../../cocoannot/web/static/net/api.js";
import {Uploads} from "../../../cocoannot/web/static/state/uploads.js";
import {until} from "../until.js";

/** @import {Answer} from "../../../cocoannot/web/static/types.js" */
/** @import {Options} from "../../../cocoannot/web/static/state/uploads.js" */

/** @param {string} name */
const file = (name) => new File(["bytes"], name);

/**
 * Uploads whose pictures are answered by `answer(name, count)`; `sent` is what came.
 * @param {(name: string, count: number, options: Options) => unknown} answer
 */
function uploadsTo(answer, reach = async () => {}) {
  /** @type {{path: string, name: string, key: string, method: string}[]} */
  const sent = [];
  const send = async (/** @type {string} */ path, /** @type {Options} */ options) => {
    const {body, key, method} = options;
    const name = body instanceof FormData ? /** @type {File} */ (body.get("file")).name : /** @type {File} */ (body).name;
    sent.push({path, name, key, method});
    return /** @type {Answer<any>} */ (await answer(name, sent.length, options));
  };
  return {uploads: new Uploads({send, reach, shortest: 1, longest: 2}), sent};
}

test("pictures go out one after the other, in natural order, and all are counted", async () => {
  let open = 0;
  const {uploads, sent} = uploadsTo(async () => {
    assert.equal((open += 1), 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    open -= 1;
  });
  uploads.add(["10", "9", "b", "1", "a"].map(file));
  assert.deepEqual([uploads.total, uploads.pending], [5, 5]);
  await until(() => uploads.pending === 0, "nothing waits any more");
  assert.deepEqual([uploads.added, uploads.refused], [5, []]);
  assert.deepEqual(sent.map(({name}) => name), ["1", "9", "10", "a", "b"]);
  assert.equal(new Set(sent.map(({key}) => key)).size, 5);
});

test("one that gets no answer is sent again with the same key until there is one", async () => {
  const {uploads, sent} = uploadsTo((_, count) => {
    if (count < 10) throw new Offline();
  }, () => Promise.reject(new Offline()));
  /** @type {Set<string | null>} */
  const reasons = new Set();
  uploads.on("change", () => reasons.add(uploads.reason));
  uploads.add([file("a")]);
  await until(() => uploads.pending === 0, "nothing waits any more");
  assert.deepEqual([uploads.added, sent.length, new Set(sent.map(({key}) => key)).size], [1, 10, 1]);
  assert.ok(reasons.has("The server does not answer"));
  assert.equal(uploads.reason, null);
});

test("one whose connection breaks each time, while the server answers others, is refused", async () => {
  const {uploads} = uploadsTo((name) => {
    if (name === "huge") throw new Offline();
  });
  uploads.add([file("huge"), file("b")]);
  await until(() => uploads.pending === 0, "nothing waits any more");
  assert.equal(uploads.added, 1);
  assert.match(uploads.refused[0]?.reason ?? "", /broke each time/);
});

test("refused ones are kept with their reasons, and the others go on", async () => {
  const answers = {
    text: new ApiError(422, {message: "'text' is not a picture"}),
    large: new ApiError(413, null),
    same: new ApiError(409, {message: "x", errors: {same: true}}),
  };
  const {uploads} = uploadsTo((name) => {
    if (name in answers) throw answers[/** @type {keyof typeof answers} */ (name)];
  });
  let ended = 0;
  uploads.on("end", () => (ended += 1));
  uploads.add(["text", "a", "large", "same"].map(file));
  await until(() => uploads.pending === 0, "nothing waits any more");
  assert.equal(uploads.added, 1);
  assert.deepEqual(Object.fromEntries(uploads.refused.map(({name, reason}) => [name, reason])), {
    text: "'text' is not a picture",
    large: "is larger than the server takes",
    same: "this very picture is there already",
  });
  assert.equal(ended, 1);
});

test("a picture whose record waits for it goes to that", async () => {
  const {uploads, sent} = uploadsTo((_, count) => {
    if (count === 1) throw new ApiError(409, {message: "x", errors: {image_id: 7, has_picture: false}});
  });
  uploads.add([file("a")]);
  await until(() => uploads.pending === 0, "nothing waits any more");
  assert.deepEqual(sent.map(({path, method}) => `${method} ${path}`), ["POST api/images", "PUT api/images/7/file"]);
  assert.equal(uploads.added, 1);
});

test("nothing more is sent after it was stopped", async () => {
  const {uploads, sent} = uploadsTo((_, __, {signal}) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))));
  uploads.add(["a", "b", "c", "d"].map(file));
  await until(() => sent.length === 1, "one is on its way");
  uploads.stop();
  await until(() => uploads.pending === 0, "nothing waits any more");
  assert.deepEqual([sent.length, uploads.total, uploads.added, uploads.refused], [1, 0, 0, []]);
});

test("what is given after the end is counted anew", async () => {
  const {uploads} = uploadsTo(() => {});
  uploads.add([file("a")]);
  await until(() => uploads.pending === 0, "nothing waits any more");
  uploads.add([file("b"), file("c")]);
  assert.deepEqual([uploads.total, uploads.added], [2, 0]);
  await until(() => uploads.pending === 0, "nothing waits any more");
  assert.equal(uploads.added, 2);
});
