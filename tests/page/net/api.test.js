import assert from "node:assert/strict";
import test from "node:test";
import {ApiError, Offline, get, isForNow, newKey, onForbidden, onLogin, onRevision, send, tell} from "../../../cocoannot/web/static/net/api.js";

/** @typedef {{path: string, init: RequestInit & {headers: Record<string, string>}}} Call */

/**
 * @param {(() => Response | Promise<Response>)[]} answers
 * @returns {Call[]} What is asked.
 */
function serve(...answers) {
  /** @type {Call[]} */
  const calls = [];
  globalThis.fetch = /** @type {typeof fetch} */ (async (path, init) => {
    calls.push(/** @type {Call} */ ({path, init}));
    const answer = answers.shift();
    assert(answer, "one more call than answers");
    return answer();
  });
  return calls;
}

const HEADERS = {"X-Dataset-Revision": "1"};
const json = (/** @type {unknown} */ body, /** @type {ResponseInit} */ init = {}) => () => new Response(JSON.stringify(body), {headers: HEADERS, ...init});

test("a change carries its key and keeps digits", async () => {
  const calls = serve(json({ok: true}, {headers: {"X-Dataset-Revision": "5", "X-Change-Revision": "5"}}));
  const answer = await send({method: "PATCH", path: "api/annotations/1", body: {area: 2}, ifMatch: '"a"'}, "key-1");
  assert.equal(calls[0].init.headers["Idempotency-Key"], "key-1");
  assert.equal(calls[0].init.headers["If-Match"], '"a"');
  assert.equal(answer.change, 5);
  assert.equal(answer.revision, 5);
});

test("an answer without a change has none", async () => {
  serve(json([], {headers: {"X-Dataset-Revision": "5"}}));
  assert.equal((await get("api/stats")).change, null);
});

test("what a proxy says for a server that is away is no answer", async () => {
  for (const status of [502, 504]) {
    serve(() => new Response("<h1>Bad gateway</h1>", {status}));
    await assert.rejects(get("api/status"), Offline);
  }
  serve(() => new Response("<h1>Log in to the hotel</h1>", {headers: HEADERS}));
  await assert.rejects(get("api/status"), Offline);
  serve(() => Promise.reject(new TypeError("Failed to fetch")));
  await assert.rejects(get("api/status"), Offline);
});

test("an answer that was cut within its head is none, though it seems fine", async () => {
  for (const cut of [new Response(""), new Response("", {headers: HEADERS}), new Response(null, {status: 204}), new Response(null, {status: 304})]) {
    serve(() => cut);
    await assert.rejects(send({method: "POST", path: "api/annotations/batch", body: {}}), Offline);
  }
  serve(() => new Response(null, {status: 204, headers: HEADERS}));
  assert.equal((await send({method: "DELETE", path: "api/categories/1"})).body, null);
});

test("what the server refuses says why", async () => {
  serve(json({message: "There is no image 9", errors: {}}, {status: 404}));
  await assert.rejects(get("api/images/9"), {message: "There is no image 9", status: 404});
});

test("a refusal that may end is told apart from one for good", () => {
  for (const status of [429, 503, 507]) assert(isForNow(new ApiError(status, null)));
  for (const status of [400, 404, 409, 412, 422, 500]) assert(!isForNow(new ApiError(status, null)));
  assert(isForNow(new Offline()));
  assert(!isForNow(new Error("a mistake of ours")));
});

test("a call that is given up says so", async () => {
  const controller = new AbortController();
  globalThis.fetch = /** @type {typeof fetch} */ ((_, init) => new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason))));
  const asked = get("api/images?page=1", {signal: controller.signal});
  controller.abort();
  await assert.rejects(asked, {name: "AbortError"});
});

test("who is not known is asked to log in, and the call is made then", async () => {
  /** @type {string[]} */
  const asked = [];
  onLogin(async (error) => {
    asked.push(error.message);
    await tell("POST", "api/login", {user: "anna", password: "wrong"}).catch((refusal) => asked.push(refusal.message));
    await tell("POST", "api/login", {user: "anna", password: "right"});
  });
  serve(json({message: "Log in"}, {status: 401}), json({message: "Wrong"}, {status: 401}), json(null), json({version: "1"}));
  assert.deepEqual((await get("api/status")).body, {version: "1"});
  assert.deepEqual(asked, ["Log in", "Wrong"]);
});

test("calls that are refused together ask once, and all are made again, with their keys", async () => {
  let asked = 0;
  let isIn = false;
  onLogin(async () => {
    asked += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    isIn = true;
  });
  /** @type {(string | undefined)[]} */
  const keys = [];
  globalThis.fetch = /** @type {typeof fetch} */ (async (_, init) => {
    keys.push(/** @type {Record<string, string>} */ (init?.headers)["Idempotency-Key"]);
    return isIn ? new Response("{}", {headers: HEADERS}) : new Response("{}", {status: 401});
  });
  await Promise.all([send({method: "POST", path: "api/annotations/batch", body: {}}, "key-2"), get("api/stats")]);
  assert.equal(asked, 1);
  assert.deepEqual(keys.filter(Boolean), ["key-2", "key-2"]);
});

test("who may not do something is heard of, and nobody is asked to log in", async () => {
  let heard = 0;
  onForbidden(() => (heard += 1));
  onLogin(() => assert.fail("asked"));
  serve(json({message: "This needs the role reviewer; anna has annotator"}, {status: 403}));
  await assert.rejects(send({method: "POST", path: "api/categories", body: {name: "cat"}}), {message: "This needs the role reviewer; anna has annotator"});
  assert.equal(heard, 1);
});

test("a refusal says how long to wait", async () => {
  serve(json({message: "Too many"}, {status: 429, headers: {"Retry-After": "8"}}));
  await assert.rejects(tell("POST", "api/login", {}), {status: 429, wait: 8});
});

test("each answer's revision is told", async () => {
  /** @type {number[]} */
  const told = [];
  const off = onRevision((revision) => told.push(revision));
  serve(json({}, {headers: {"X-Dataset-Revision": "7"}}), json({}, {status: 404, headers: {}}));
  await get("api/stats");
  await assert.rejects(get("api/stats"), ApiError);
  off();
  assert.deepEqual(told, [7]);
});

test("no two keys are the same, also where the page came by plain http from elsewhere", () => {
  const uuid = crypto.randomUUID;
  assert.notEqual(newKey(), newKey());
  Object.defineProperty(crypto, "randomUUID", {value: undefined, configurable: true, writable: true});
  assert.match(newKey(), /^[0-9a-f]{32}$/);
  assert.notEqual(newKey(), newKey());
  Object.defineProperty(crypto, "randomUUID", {value: uuid, configurable: true, writable: true});
});
