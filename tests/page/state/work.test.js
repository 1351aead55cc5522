import assert from "node:assert/strict";
import test from "node:test";
import {Changes} from "../../../cocoannot/web/static/state/changes.js";
import {Progress} from "../../../cocoannot/web/static/state/progress.js";
import {Queue} from "../../../cocoannot/web/static/state/queue.js";
import {Session} from "../../../cocoannot/web/static/state/session.js";
import {statusOf} from "../../../cocoannot/web/static/state/statuses.js";
import {Work} from "../../../cocoannot/web/static/state/work.js";
import {FakeServer} from "../fake_server.js";
import {until} from "../until.js";

const NOWHERE = new URLSearchParams();

/** A page with image 1 open. @param {import("node:test").TestContext} context */
async function begin(context) {
  const server = new FakeServer();
  const changes = new Changes(new Queue({shortest: 1, longest: 4}));
  const session = new Session({changes});
  context.after(() => session.close());
  const work = new Work({session, changes, client: "tab-1"});
  /** @type {string[]} */
  const refused = [];
  work.on("refused", (message) => refused.push(message));
  await session.open(1, NOWHERE);
  return {server, changes, session, work, refused};
}

test("a state is seen at once, and marked until the server has answered", async (context) => {
  const {server, work} = await begin(context);
  assert.deepEqual([work.status, work.isPending], ["open", false]);
  const go = server.keepBack();
  const set = work.set("done");
  assert.deepEqual([work.status, work.isPending], ["done", true]);
  go();
  assert.equal(await set, true);
  assert.deepEqual([work.status, work.isPending], ["done", false]);
  assert.equal(server.images[0].annotation_status, "done");
});

test("while one state is on its way, another one is not sent", async (context) => {
  const {server, work} = await begin(context);
  const go = server.keepBack();
  const set = work.set("done");
  assert.equal(await work.set("skipped"), false);
  go();
  await set;
  assert.equal(work.status, "done");
  assert.equal(server.changeCalls.length, 1);
});

test("a state that is refused is taken back, with words", async (context) => {
  const {server, work, refused} = await begin(context);
  server.refusing.push({status: 409, body: {message: "you finished image 1 yourself"}});
  assert.equal(await work.set("approved"), false);
  assert.equal(work.status, "open");
  assert.deepEqual(refused, ["you finished image 1 yourself"]);
});

test("it holds on another image and back, though the record there was read before", async (context) => {
  const {session, work} = await begin(context);
  session.prepare(2);
  await session.open(2, NOWHERE);
  session.prepare(1);
  await session.open(1, NOWHERE);
  session.prepare(2);
  await work.set("returned", "a cat is missing");
  await session.open(2, NOWHERE);
  assert.deepEqual([work.status, work.comment], ["open", null]);
  await session.open(1, NOWHERE);
  assert.deepEqual([work.status, work.comment], ["returned", "a cat is missing"]);
});

test("what somebody else makes of the image later counts", async (context) => {
  const {server, work} = await begin(context);
  await work.set("done");
  server.images = [{...server.images[0], annotation_status: "returned", annotation_comment: "the tail too"}, server.images[1]];
  server.revision += 1;
  work.heard({revision: server.revision, time: 1, user: "ben", edits: [{section: "images", id: 1, image_id: 1, op: "update"}]});
  await until(() => work.status === "returned", "the other's state is known");
  assert.equal(work.comment, "the tail too");
});

test("a state that somebody set while the image was read ahead is known when it is opened", async (context) => {
  const {server, session, work} = await begin(context);
  session.prepare(2);
  await until(() => server.calls.filter(({path}) => path.startsWith("api/images/2")).length === 2, "it is read");
  server.images = [server.images[0], {...server.images[1], annotation_status: "returned", annotation_comment: "the tail too"}];
  server.revision += 1;
  work.heard({revision: server.revision, time: 1, user: "ben", edits: [{section: "images", id: 2, image_id: 2, op: "update"}]});
  await session.open(2, NOWHERE);
  await until(() => work.status === "returned", "it is known");
  assert.equal(work.comment, "the tail too");
});

test("undo takes a state back", async (context) => {
  const {server, changes, work} = await begin(context);
  await work.set("done");
  assert.ok(changes.canUndo());
  await changes.undo();
  await until(() => work.status === "open", "it is open again");
  assert.equal(server.images[0].annotation_status, undefined);
});

test("what is next is asked for with the filters of the list, but for the state and the page", async (context) => {
  const {server, work} = await begin(context);
  const query = new URLSearchParams("category_id=3&sort=-id&status=open&page=2");
  assert.equal(await work.next("review", query), 2);
  assert.equal(server.calls.at(-1)?.path, "api/images/next?category_id=3&sort=-id&client=tab-1&task=review");
  server.nextImage = null;
  assert.equal(await work.next("annotate", NOWHERE), null);
});

test("what is no status counts as open", () => {
  const image = {id: 1, width: 1, height: 1};
  assert.equal(statusOf(null), "open");
  assert.equal(statusOf({...image, annotation_status: "finished"}), "open");
  assert.equal(statusOf(/** @type {any} */ ({...image, annotation_status: 7})), "open");
  assert.equal(statusOf({...image, annotation_status: "empty"}), "empty");
});

test("the team's progress is counted while somebody looks at it, and again after changes of images", async () => {
  let asked = 0;
  globalThis.fetch = /** @type {typeof fetch} */ (async () => {
    asked += 1;
    const statuses = [{status: "open", images: 5 - asked}, {status: "done", images: asked}, {status: "returned", images: 2}];
    return new Response(JSON.stringify({statuses}), {headers: {"X-Dataset-Revision": "1"}});
  });
  const progress = new Progress();
  progress.setSeen(true);
  await until(() => progress.counts, "it is counted");
  assert.deepEqual([progress.finished, progress.total], [1, 7]);
  progress.heard({revision: 2, time: 1, user: null, edits: [{section: "annotations", id: 1, image_id: 1, op: "update"}]});
  progress.heard({revision: 3, time: 1, user: null, edits: [{section: "images", id: 1, image_id: 1, op: "update"}]});
  await until(() => progress.finished === 2, "it is counted again");
  // Nobody looks.
  progress.setSeen(false);
  progress.stale();
  assert.equal(asked, 2);
  progress.setSeen(true);
  await until(() => progress.finished === 3, "it is counted when somebody looks again");
});
