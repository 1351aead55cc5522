import assert from "node:assert/strict";
import test from "node:test";
import {Queue} from "../../../cocoannot/web/static/state/queue.js";
import {SaveState} from "../../../cocoannot/web/static/state/save_state.js";
import {FakeServer} from "../fake_server.js";
import {until} from "../until.js";

/** @param {{after(run: () => unknown): void}} context */
async function begin(context) {
  const server = new FakeServer();
  const queue = new Queue({shortest: 100_000, longest: 100_000});
  const state = new SaveState(queue);
  context.after(() => state.stop());
  /** @type {string[]} */
  const announced = [];
  state.on("announce", (text) => announced.push(text));
  await state.poll();
  return {server, queue, state, announced};
}

const ADD = {make: () => ({method: /** @type {const} */ ("POST"), path: "api/categories", body: {name: "bird"}}), answered: () => null};

test("what is not saved, and when it will be, is said", async (context) => {
  const {server, state} = await begin(context);
  assert.deepEqual([state.words().text, state.words().kind, state.name], ["Saved", "saved", "cats.json"]);
  server.revision += 1;
  await state.poll();
  assert.match(state.words().text, /^1 unsaved change - saves in [78] s$/);
  server.saveError = "can't save /data/cats.json: No space left on device; do something";
  await state.poll();
  assert.deepEqual([state.words().text, state.words().failed], ["Save failed: disk full - retry", true]);
});

test("a screen reader hears of transitions only", async (context) => {
  const {server, state, announced} = await begin(context);
  server.revision += 1;
  await state.poll();
  server.revision += 1;
  await state.poll();
  server.saved = server.revision;
  await state.poll();
  assert.deepEqual(announced, ["Saved", "There are unsaved changes", "Saved"]);
});

test("while the server is away it is said what is kept; when it is back, that is sent at once", async (context) => {
  const {server, queue, state} = await begin(context);
  /** @type {boolean[]} */
  const told = [];
  state.on("reachable", (reachable) => told.push(reachable));
  server.away = true;
  const sent = queue.push(ADD);
  await until(() => queue.away, "there is no answer");
  await state.poll();
  assert.equal(state.words().text, "Server away - 1 change kept here, trying again");
  server.away = false;
  await state.poll();
  await sent;
  assert.equal(server.categories.length, 3);
  assert.deepEqual(told, [false, true]);
});

test("a server that was started again is noticed", async (context) => {
  const {server, state} = await begin(context);
  let restarts = 0;
  state.on("restart", () => (restarts += 1));
  await state.poll();
  server.loadedAt = "2026-01-02";
  await state.poll();
  await state.poll();
  assert.equal(restarts, 1);
});
