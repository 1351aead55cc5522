import assert from "node:assert/strict";
import test from "node:test";
import {get, tellRevision} from "../../../cocoannot/web/static/net/api.js";
import {ImageList} from "../../../cocoannot/web/static/state/image_list.js";
import {FakeServer} from "../fake_server.js";
import {until} from "../until.js";

/** @import {Edit} from "../../../cocoannot/web/static/types.js" */

const EMPTY = new URLSearchParams("annotated=false&page=3");

/** @param {number} count */
function begin(count) {
  const server = new FakeServer();
  server.images = Array.from({length: count}, (_, i) => ({id: i + 1, file_name: `${i}.png`, width: 10, height: 10}));
  const list = new ImageList();
  return {server, list};
}

test("the position and both neighbours come from one call", async () => {
  const {server, list} = begin(100_000);
  list.open(99_999, EMPTY);
  await until(() => list.current, "the answer is there");
  assert.deepEqual(list.current, {previous: 99_998, next: 100_000, position: 99_998, total: 100_000});
  assert.equal(await list.go(1), 100_000);
  assert.equal(await list.go(-1), 99_998);
  assert.deepEqual(server.calls.map(({path}) => path), ["api/images/99999/neighbours?annotated=false"]);
});

test("next goes on in a filtered list, from an image that is not in it any more", async () => {
  const {server, list} = begin(4);
  const done = new Set();
  server.isListed = (id) => !done.has(id);
  list.open(1, EMPTY);
  done.add(1);
  assert.equal(await list.go(1), 2);
  list.open(2, EMPTY);
  assert.equal(await list.go(-1), null);
  list.open(1, EMPTY);
  assert.equal(await list.go(1), 2);
  list.open(4, EMPTY);
  assert.equal(await list.go(1), null);
});

test("a list that has changed is asked again", async () => {
  const {server, list} = begin(3);
  list.open(1, EMPTY);
  assert.equal(await list.go(1), 2);
  server.isListed = (id) => id !== 2;
  server.revision += 1;
  await get("api/status");
  assert.equal(await list.go(1), 3);
});

test("while the server is away one goes on by what was known; else one is told", async () => {
  const {server, list} = begin(3);
  list.open(1, EMPTY);
  await until(() => list.current, "the answer is there");
  server.revision += 1;
  await get("api/status");
  server.away = true;
  assert.equal(await list.go(1), 2);
  list.open(2, EMPTY);
  await assert.rejects(list.go(1), {message: "The server does not answer"});
});

test("one goes on from an image that somebody has deleted by what was known", async () => {
  const {server, list} = begin(3);
  list.open(2, EMPTY);
  await until(() => list.current, "the answer is there");
  server.images.splice(1, 1);
  server.revision += 1;
  await get("api/status");
  assert.deepEqual([await list.go(1), await list.go(-1)], [3, 1]);
  list.open(9, EMPTY);
  await assert.rejects(list.go(1), {message: "There is no image 9"});
});

test("changes that can't be about the list cost no call, others do", async () => {
  const {server, list} = begin(4);
  /** @param {Edit} edit */
  const told = (edit) => {
    server.revision += 1;
    list.heard({revision: server.revision, time: 0, user: null, edits: [edit]});
    tellRevision(server.revision);
  };
  list.open(2, new URLSearchParams());
  await until(() => list.current, "the answer is there");
  told({section: "annotations", id: 7, image_id: 2, op: "add"});
  told({section: "images", id: 2, image_id: 2, op: "update"});
  assert.equal(await list.go(1), 3);
  assert.equal(server.calls.length, 1);
  told({section: "images", id: 3, image_id: 3, op: "delete"});
  server.images = server.images.filter(({id}) => id !== 3);
  assert.equal(await list.go(1), 4);
  list.open(2, EMPTY);
  await until(() => list.current, "the answer is there");
  const calls = server.calls.length;
  told({section: "annotations", id: 7, image_id: 2, op: "add"});
  await list.go(1);
  assert.equal(server.calls.length, calls + 1);
});

test("a slow answer is waited for, and not asked for once more", async (t) => {
  const {server, list} = begin(50);
  const release = server.keepBack();
  list.open(37, EMPTY);
  await until(() => server.isWaiting, "the question is under way");
  t.mock.timers.enable({apis: ["setTimeout"]});
  tellRevision(server.revision + 1);
  t.mock.timers.tick(10_000);
  t.mock.timers.reset();
  release();
  await until(() => list.current, "the answer is there");
  // Lists of other tests hear of revisions too.
  assert.equal(server.calls.filter(({path}) => path.startsWith("api/images/37/")).length, 1);
});
