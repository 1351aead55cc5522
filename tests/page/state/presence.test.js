import assert from "node:assert/strict";
import test from "node:test";
import {Emitter} from "../../../cocoannot/web/static/state/emitter.js";
import {Me} from "../../../cocoannot/web/static/state/me.js";
import {Presence} from "../../../cocoannot/web/static/state/presence.js";
import {until} from "../until.js";

/** @import {Person, Present} from "../../../cocoannot/web/static/types.js" */

/**
 * @param {string} client
 * @param {Partial<Present>} [more]
 * @returns {Present}
 */
const at = (client, more) => ({client, user: client, image_id: 1, editing: false, since: 10, ...more});

/** @param {import("node:test").TestContext} context */
async function begin(context, caller = {user: "anna", role: "annotator", by: "password"}) {
  /** @type {{method: string, path: string, body: any}[]} */
  const calls = [];
  globalThis.fetch = /** @type {typeof fetch} */ (async (path, init) => {
    if (path === "api/me") return new Response(JSON.stringify(caller), {headers: {"X-Dataset-Revision": "1"}});
    calls.push({method: init?.method ?? "GET", path: String(path), body: JSON.parse(String(init?.body ?? "null"))});
    return new Response(null, {status: 204, headers: {"X-Dataset-Revision": "1"}});
  });
  const events = /** @type {any} */ (Object.assign(new Emitter(), {client: "mine"}));
  const me = new Me();
  await me.load();
  const presence = new Presence(events, me);
  context.after(() => presence.leave());
  return {events, me, presence, calls};
}

const names = (/** @type {Person[]} */ people) => people.map(({user}) => user);

test("others are there from hello on, come, go to another image, and leave", async (context) => {
  const {events, presence} = await begin(context);
  /** @type {[string | null, number | null][]} */
  const moved = [];
  presence.on("moved", ({user, imageId}) => moved.push([user, imageId]));
  events.emit("hello", {revision: 1, present: [at("mine", {user: "anna"}), at("ben", {since: 20}), at("cem")]});
  assert.deepEqual(names(presence.people), ["cem", "ben"]);
  events.emit("presence", at("dora", {image_id: 2, since: 30}));
  assert.deepEqual(names(presence.onImage(1)), ["cem", "ben"]);
  events.emit("presence", at("dora", {since: 40}));
  events.emit("presence", at("dora", {since: 40, editing: true}));
  assert.deepEqual(names(presence.onImage(1)), ["cem", "ben", "dora"]);
  events.emit("presence", at("ben", {gone: true, image_id: null}));
  assert.deepEqual(names(presence.people), ["cem", "dora"]);
  assert.deepEqual(moved, [["dora", 2], ["dora", 1]]);
  assert.deepEqual(presence.onImage(null), []);
});

test("oneself elsewhere is nobody else, and somebody with two tabs is one person", async (context) => {
  const {events, presence} = await begin(context);
  events.emit("hello", {revision: 1, present: [at("other", {user: "anna"}), at("b1", {user: "ben"}), at("b2", {user: "ben", image_id: 5, since: 50})]});
  assert.deepEqual(names(presence.people), ["ben"]);
  assert.equal(presence.people[0].imageId, 5);
});

test("without users, others are told apart by their clients", async (context) => {
  const {events, presence} = await begin(context, {user: "local", role: "admin", by: "none"});
  events.emit("hello", {revision: 1, present: [at("mine", {user: null}), at("one", {user: null}), at("two", {user: null})]});
  assert.deepEqual(names(presence.people), [null, null]);
});

test("where one is, is told at each change of it, and when the stream is new", async (context) => {
  const {events, presence, calls} = await begin(context);
  presence.show(3);
  presence.show(3);
  presence.edit();
  presence.edit();
  presence.show(4);
  events.emit("hello", {revision: 1, present: []});
  await until(() => calls.length === 4, "four calls");
  assert.deepEqual(calls.map(({body}) => [body.image_id, body.editing]), [[3, false], [3, true], [4, false], [4, false]]);
  assert(calls.every(({method, path}) => method === "PUT" && path === "api/presence/mine"));
});

test("a hidden page says nothing, and says where it is when it is seen again", async (context) => {
  const {presence, calls} = await begin(context);
  presence.setHidden(true);
  presence.show(3);
  presence.edit();
  assert.deepEqual(calls, []);
  presence.setHidden(false);
  await until(() => calls.length === 1, "it is said");
  assert.deepEqual(calls[0].body, {image_id: 3, editing: true});
});

test("a tab stays there though another one of the same browser leaves", async (context) => {
  const {events, presence, calls} = await begin(context);
  presence.show(3);
  events.emit("presence", at("mine", {user: "anna", gone: true, image_id: null}));
  await until(() => calls.length === 2, "it is said again");
  assert.deepEqual(calls[1].body.image_id, 3);
});

test("a page that is closed takes leave", async (context) => {
  const {presence, calls} = await begin(context);
  presence.leave();
  await until(() => calls.length === 1, "it is said");
  assert.equal(calls[0].method, "DELETE");
});
