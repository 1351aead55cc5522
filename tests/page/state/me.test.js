import assert from "node:assert/strict";
import test from "node:test";
import {Me} from "../../../cocoannot/web/static/state/me.js";

/** @param {unknown} caller */
async function known(caller) {
  globalThis.fetch = /** @type {typeof fetch} */ (async () => new Response(JSON.stringify(caller), {headers: {"X-Dataset-Revision": "1"}}));
  const me = new Me();
  await me.load();
  return me;
}

test("a role may do what those before it may, and it is said what others take", async () => {
  const me = await known({user: "anna", role: "annotator", by: "password"});
  assert(me.may("viewer") && me.may("annotator") && !me.may("reviewer") && !me.may("admin"));
  assert.equal(me.lacks("reviewer"), "needs the role reviewer; yours is annotator");
  assert.equal(me.lacks("viewer"), null);
});

test("until it is known, nothing is forbidden: the server decides", () => assert(new Me().may("admin")));

test("one token for everybody is no person, a personal one is", async () => {
  assert.equal((await known({user: "token", role: "admin", by: "token"})).user, null);
  assert.equal((await known({user: "anna", role: "viewer", by: "token"})).user, "anna");
  assert.equal((await known({user: "local", role: "admin", by: "none"})).user, null);
});

test("one logs out from where one has logged in", async () => {
  assert((await known({user: "anna", role: "viewer", by: "password"})).canLeave);
  assert(!(await known({user: "anna", role: "viewer", by: "proxy"})).canLeave);
  assert(!(await known({user: "local", role: "admin", by: "none"})).canLeave);
});

test("the same answer is no change", async () => {
  const me = await known({user: "anna", role: "viewer", by: "password"});
  let changes = 0;
  me.on("change", () => (changes += 1));
  await me.load();
  assert.equal(changes, 0);
});
