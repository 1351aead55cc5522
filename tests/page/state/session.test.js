import assert from "node:assert/strict";
import test from "node:test";
import {tellRevision} from "../../../cocoannot/web/static/net/api.js";
import {parse} from "../../../cocoannot/web/static/net/json.js";
import {Changes} from "../../../cocoannot/web/static/state/changes.js";
import {Queue} from "../../../cocoannot/web/static/state/queue.js";
import {Session} from "../../../cocoannot/web/static/state/session.js";
import {FakeServer} from "../fake_server.js";
import {until} from "../until.js";

/** @import {Conflict, Differences} from "../../../cocoannot/web/static/types.js" */

const BOX = '{"id":7,"image_id":1,"category_id":1,"bbox":[10.0,20.0,30.50,40.0],"area":1220.0,"segmentation":[],"iscrowd":0}';
const OTHER = '{"id":8,"image_id":1,"category_id":2,"bbox":[1,2,3,4],"area":12.0,"segmentation":[],"iscrowd":0}';
const CAPTION = '{"id":9,"image_id":1,"caption":"two cats"}';
const NEXT = '{"id":20,"image_id":2,"category_id":1,"bbox":[5.0,6.0,7.0,8.0],"area":56.0,"segmentation":[],"iscrowd":0}';

const NOWHERE = new URLSearchParams();

/** @type {Session | undefined} */
let last;

/**
 * A page with image 1 open.
 * @param {string[]} texts
 */
async function begin(...texts) {
  const server = new FakeServer(...(texts.length ? texts : [BOX, OTHER, CAPTION, NEXT]));
  const queue = new Queue({shortest: 1, longest: 4});
  const changes = new Changes(queue);
  last?.close();
  const session = last = new Session({changes});
  /** @type {string[]} */
  const refused = [];
  session.on("refused", (message) => refused.push(message));
  session.setCategory(1);
  await session.open(1, NOWHERE);
  return {server, queue, session, refused, settled: () => until(() => queue.pending === 0, "all is answered")};
}

/** @param {Session} session */
const records = (session) => [...session.entries.values()].map(({annotation}) => annotation);

test("what is done is seen at once and marked until the server has answered", async () => {
  const {server, session, settled} = await begin();
  const go = server.keepBack();
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  assert.deepEqual(session.entries.get("7")?.annotation.bbox, [11, 20, 30.5, 40]);
  assert.equal(session.entries.get("7")?.pending, true);
  go();
  await settled();
  assert.equal(session.entries.get("7")?.pending, false);
  assert.match(server.annotations.get(7) ?? "", /"bbox":\[11,20.0,30.50,40.0\]/);
});

test("a new shape keeps its key when it gets its id, and belongs to the picture that is shown", async () => {
  const {server, session, settled} = await begin();
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  assert.equal(session.entries.get(key)?.id, null);
  assert.deepEqual([...session.selection], [key]);
  await settled();
  assert.equal(session.entries.get(key)?.id, 100);
  assert.equal(parse(server.annotations.get(100) ?? "").image_id, 1);
});

test("nothing can be drawn or deleted while the next image loads, and nothing of it lands on that", async () => {
  const {server, session, refused, settled} = await begin();
  session.select(["7"]);
  const go = server.keepBack();
  const opened = session.open(2, NOWHERE);
  assert.equal(session.state, "loading");
  assert.equal(session.add({bbox: [1, 1, 5, 5]}), null);
  session.remove(["7"]);
  session.remove(session.selection);
  session.update("7", {bbox: [1, 1, 1, 1]});
  assert.equal(refused.length, 1);
  go();
  await opened;
  await settled();
  assert.deepEqual(records(session).map(({id}) => id), [20]);
  assert.equal(server.changeCalls.length, 0);
});

test("what was drawn before going on is saved to the image it was drawn on", async () => {
  const {server, session, settled} = await begin();
  const go = server.keepBack();
  session.add({bbox: [1, 1, 5, 5]});
  const opened = session.open(2, NOWHERE);
  go();
  await opened;
  await settled();
  assert.equal(parse(server.annotations.get(100) ?? "").image_id, 1);
  assert.deepEqual(records(session).map(({id}) => id), [20]);
});

test("digits of one picture never get onto another one", async () => {
  const {server, session, settled} = await begin('{"id":7,"image_id":1,"category_id":1,"bbox":[0.0,80.00,5.0,5.0]}', NEXT);
  await session.open(2, NOWHERE);
  session.update("20", {bbox: [0, 80, 7, 8]});
  await settled();
  assert.match(server.annotations.get(20) ?? "", /"bbox":\[0,80,7.0,8.0\]/);
});

test("changes of one annotation go on from the answer to the one before", async () => {
  const {server, session, refused, settled} = await begin();
  for (const x of [11, 12, 13]) session.update("7", {bbox: [x, 20, 30.5, 40]});
  session.relabel(["7"], 2);
  await settled();
  assert.deepEqual(refused, []);
  assert.match(server.annotations.get(7) ?? "", /"category_id":2,"bbox":\[13,20.0,30.50,40.0\]/);
});

test("a new shape can be changed and deleted before it has an id", async () => {
  const {server, session, settled} = await begin();
  const go = server.keepBack();
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  session.update(key, {bbox: [2, 2, 5, 5]});
  const other = session.add({bbox: [3, 3, 5, 5]}) ?? "";
  session.remove([other]);
  assert.equal(session.entries.has(other), false);
  go();
  await settled();
  assert.deepEqual([...server.annotations.keys()], [7, 8, 9, 20, 100]);
  assert.match(server.annotations.get(100) ?? "", /"bbox":\[2,2,5,5\]/);
});

test("undo and redo bring the bytes back, as often as one likes", async () => {
  const {server, session, settled} = await begin();
  const before = [...server.annotations];
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  session.update("7", {bbox: [12, 20, 30.5, 40]});
  session.remove(["8"]);
  await settled();
  const after = [...server.annotations];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 3; i++) await session.undo();
    assert.deepEqual([...server.annotations], before);
    for (let i = 0; i < 3; i++) await session.redo();
    assert.deepEqual([...server.annotations], after);
  }
  await session.undo();
  await until(() => session.entries.has("8"), "what was deleted is shown again");
  assert.deepEqual([...session.entries.keys()], ["7", "8", "9"]);
});

test("as many are undone as keys were pressed, however quickly, and done again", async () => {
  const {server, session, settled} = await begin();
  const before = [...server.annotations];
  for (const x of [11, 12, 13]) session.update("7", {bbox: [x, 20, 30.5, 40]});
  await settled();
  const after = [...server.annotations];
  const press = async (/** @type {"Undo" | "Redo"} */ word) => {
    for (let i = 0; i < 3; i++) {
      assert(session[`can${word}`](), `${word} ${i}`);
      void session[/** @type {"undo" | "redo"} */ (word.toLowerCase())]();
      await undefined;
    }
    assert(!session[`can${word}`]());
  };
  await press("Undo");
  await settled();
  assert.deepEqual([...server.annotations], before);
  void session.redo();
  void session.undo();
  await press("Redo");
  await settled();
  assert.deepEqual([...server.annotations], after);
});

test("undo waits for what is unanswered", async () => {
  const {server, session, refused, settled} = await begin();
  const before = server.annotations.get(7);
  server.away = true;
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  assert(session.canUndo());
  void session.undo();
  assert(!session.canUndo());
  server.away = false;
  await settled();
  assert.equal(server.annotations.get(7), before);
  assert.deepEqual(refused, []);
});

test("a change that follows an undo at once is not taken for somebody else's", async () => {
  const {server, session, refused, settled} = await begin();
  /** @type {Conflict[]} */
  const conflicts = [];
  session.on("conflict", (conflict) => conflicts.push(conflict));
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  void session.undo();
  session.update("7", {category_id: 2});
  await settled();
  assert.deepEqual([conflicts.length, refused], [0, []]);
  assert.equal(server.changeCalls.length, 3, "none was refused and sent again");
  assert.match(server.annotations.get(7) ?? "", /"category_id":2,"bbox":\[10.0,20.0,30.50,40.0\]/);
});

test("an undo that somebody else's change prevents is left out, with words; the ones before it stay", async () => {
  const {server, session, refused, settled} = await begin();
  const before = server.annotations.get(8);
  session.update("8", {bbox: [2, 2, 3, 4]});
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  await settled();
  server.byOthers({op: "update", id: 7, changes: {category_id: 2}});
  await session.undo();
  assert.match(refused[0], /Can't undo: annotation 7 was changed since then/);
  assert.match(server.annotations.get(7) ?? "", /"category_id":2/);
  await session.undo();
  assert.equal(server.annotations.get(8), before);
  assert.equal(refused.length, 1);
});

test("an undo that the server does not know any more is left out", async () => {
  const {server, session, refused, settled} = await begin();
  session.update("8", {bbox: [2, 2, 3, 4]});
  await settled();
  server.refusing.push({status: 404, body: {message: "not known"}});
  await session.undo();
  assert.match(refused[0], /does not keep it any more/);
  assert(!session.canUndo());
});

test("a lost answer is asked for again and nothing is made twice", async () => {
  const {server, session, settled} = await begin();
  server.losing = 2;
  session.add({bbox: [1, 1, 5, 5]});
  await settled();
  assert.deepEqual([...server.annotations.keys()], [7, 8, 9, 20, 100]);
  assert.equal(session.entries.size, 4);
  assert.equal(new Set(server.changeCalls.map(({key}) => key)).size, 1);
  assert(server.changeCalls.every(({text}) => text === server.changeCalls[0].text));
});

test("a change whose answer was lost is not taken for somebody else's, nor what was done upon it", async () => {
  const {server, queue, session, settled} = await begin();
  /** @type {unknown[]} */
  const told = [];
  session.on("conflict", ({resolve}) => resolve("theirs"));
  for (const event of /** @type {const} */ (["others", "conflict"])) session.on(event, () => told.push(event));
  server.losing = Infinity;
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  session.update("7", {bbox: [12, 20, 30.5, 40]});
  await until(() => queue.away && server.revision === 11, "the first is made, and not answered");
  await session.reopen();
  await session.open(2, NOWHERE);
  await session.open(1, NOWHERE);
  server.losing = 0;
  queue.wake();
  await settled();
  assert.match(server.annotations.get(7) ?? "", /"bbox":\[12,/);
  await session.reopen();
  assert.deepEqual(told, []);
});

test("a shape whose answer was lost is there once, also where the list has it before", async () => {
  const {server, queue, session, settled} = await begin();
  server.losing = Infinity;
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  await until(() => queue.away && server.annotations.has(100), "it is made, and not answered");
  await session.reopen();
  assert.equal(session.entries.size, 4);
  server.losing = 0;
  queue.wake();
  await settled();
  assert.deepEqual([...session.entries.keys()], ["7", "8", "9", key]);
});

test("a change after an undo leaves nothing to do again", async () => {
  const {server, session, settled} = await begin();
  session.update("7", {category_id: 2});
  await session.undo();
  assert(session.canRedo());
  session.update("8", {category_id: 1});
  await settled();
  assert(!session.canRedo());
  await session.redo();
  assert.match(server.annotations.get(7) ?? "", /"category_id":1/);
});

test("while the server is away new shapes are there, and are saved when it is back", async () => {
  const {server, queue, session, settled} = await begin();
  server.away = true;
  session.setAway(true);
  assert.equal(session.state, "away");
  assert(session.canEdit());
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  session.remove(["8"]);
  await until(() => queue.away, "it is noticed");
  assert.deepEqual([...session.entries.keys()], ["7", "9", key]);
  assert.equal(queue.pending, 2);
  server.away = false;
  queue.wake();
  session.setAway(false);
  await settled();
  assert.deepEqual([...server.annotations.keys()], [7, 9, 20, 100]);
  assert.equal(session.state, "ready");
});

test("an image that could not be read is read as soon as the server is back, without a restart", async () => {
  const {server, session} = await begin();
  server.away = true;
  await session.open(2, NOWHERE);
  assert.equal(session.state, "loading");
  assert.match(session.error ?? "", /does not answer/);
  session.setAway(true);
  server.away = false;
  session.setAway(false);
  await until(() => session.state === "ready", "it is read");
  assert.deepEqual([...session.entries.keys()], ["20"]);
});

test("an image that could not be read is read soon, also where nobody has noticed the outage", async () => {
  const {server, session} = await begin();
  server.away = true;
  await session.open(2, NOWHERE);
  server.away = false;
  await until(() => session.state === "ready", "it is read");
});

test("an address of an image that is not there shows nothing of the one before", async () => {
  const {session} = await begin();
  await session.open(99, NOWHERE);
  assert.equal(session.state, "missing");
  assert.equal(session.image, null);
  assert.equal(session.entries.size, 0);
  assert.match(session.error ?? "", /no image 99/);
  assert(!session.canEdit());
});

test("an annotation that is held is not replaced by an answer; it is when it is let go", async () => {
  const {server, session, settled} = await begin();
  const go = server.keepBack();
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  const seen = session.entries.get("7");
  session.hold("7");
  go();
  await settled();
  assert.equal(session.entries.get("7"), seen);
  session.update("7", {bbox: [50, 20, 30.5, 40]});
  session.release("7");
  assert.deepEqual(session.entries.get("7")?.annotation.bbox, [50, 20, 30.5, 40]);
  await settled();
  assert.match(server.annotations.get(7) ?? "", /"bbox":\[50,20.0,30.50,40.0\]/);
});

test("an annotation that is held is not replaced by somebody else's change; letting go without one shows theirs", async () => {
  const {server, session} = await begin();
  session.hold("7");
  server.byOthers({op: "update", id: 7, changes: {category_id: 2}}, {op: "delete", id: 8});
  await session.reopen();
  assert.equal(session.entries.get("7")?.annotation.category_id, 1);
  assert.equal(session.entries.has("8"), false);
  /** @type {Differences[]} */
  const told = [];
  session.on("differences", (differences) => told.push(differences));
  session.release("7");
  assert.equal(session.entries.get("7")?.annotation.category_id, 2);
  assert.deepEqual(told.map(({changed}) => changed.map(({key}) => key)), [["7"]]);
});

test("a drag during which somebody else changed the same annotation asks whose is to stay", async () => {
  for (const choice of /** @type {const} */ (["mine", "theirs"])) {
    const {server, session, refused, settled} = await begin();
    /** @type {Conflict[]} */
    const conflicts = [];
    session.on("conflict", (conflict) => conflicts.push(conflict));
    session.hold("7");
    server.byOthers({op: "update", id: 7, changes: {category_id: 2}});
    await session.reopen();
    session.update("7", {bbox: [50, 20, 30.5, 40]});
    session.release("7");
    await until(() => conflicts.length, "it is asked");
    assert.equal(conflicts[0].before.category_id, 1);
    assert.equal(conflicts[0].theirs?.category_id, 2);
    assert.deepEqual(conflicts[0].mine?.bbox, [50, 20, 30.5, 40]);
    assert.doesNotMatch(server.annotations.get(7) ?? "", /\[50/);
    conflicts[0].resolve(choice);
    await settled();
    assert.match(server.annotations.get(7) ?? "", choice === "mine" ? /"category_id":2,"bbox":\[50,/ : /"category_id":2,"bbox":\[10.0,/);
    assert.deepEqual(session.entries.get("7")?.annotation.bbox?.[0], choice === "mine" ? 50 : 10);
    assert.deepEqual([conflicts.length, refused], [1, []]);
  }
});

test("what somebody else has deleted can be kept", async () => {
  for (const choice of /** @type {const} */ (["mine", "theirs"])) {
    const {server, session, settled} = await begin();
    session.on("conflict", ({theirs, resolve}) => {
      assert.equal(theirs, null);
      resolve(choice);
    });
    server.byOthers({op: "delete", id: 7});
    session.update("7", {bbox: [50, 20, 30.5, 40]});
    await settled();
    assert.equal(server.annotations.has(7), choice === "mine");
    assert.equal(session.entries.has("7"), choice === "mine");
    if (choice === "mine") assert.match(server.annotations.get(7) ?? "", /"bbox":\[50,20.0,30.50,40.0\],"area":1220.0/);
  }
});

test("what both have deleted is gone, and nobody is asked", async () => {
  const {server, session, refused, settled} = await begin();
  session.on("conflict", () => assert.fail("asked"));
  server.byOthers({op: "delete", id: 7});
  session.remove(["7", "8"]);
  await settled();
  assert.deepEqual([...server.annotations.keys()], [9, 20]);
  assert.deepEqual([...session.entries.keys()], ["9"]);
  assert.deepEqual(refused, []);
});

test("what waits behind a conflict follows the choice", async () => {
  const {server, session, settled} = await begin();
  session.on("conflict", ({resolve}) => resolve("theirs"));
  server.byOthers({op: "update", id: 7, changes: {category_id: 2}});
  session.update("7", {bbox: [50, 20, 30.5, 40]});
  session.update("7", {bbox: [60, 20, 30.5, 40]});
  session.update("8", {bbox: [9, 2, 3, 4]});
  await settled();
  assert.match(server.annotations.get(7) ?? "", /"bbox":\[10.0/);
  assert.match(server.annotations.get(8) ?? "", /"bbox":\[9,2,3,4\]/);
  assert.deepEqual(session.entries.get("7")?.annotation.bbox, [10, 20, 30.5, 40]);
});

test("what the server refuses is taken back, with its reason in words for a person", async () => {
  const {server, session, refused, settled} = await begin();
  server.refusing.push({status: 422, body: {message: "operation 0: The box is outside"}});
  session.update("7", {bbox: [-5, 20, 30.5, 40]});
  await settled();
  assert.deepEqual(session.entries.get("7")?.annotation.bbox, [10, 20, 30.5, 40]);
  assert.deepEqual(refused, ["Not changed: the box is outside"]);
  server.refusing.push({status: 422, body: {message: "operation 0: No"}}, {status: 422, body: {message: "operation 1: No"}});
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  session.update(key, {bbox: [2, 1, 5, 5]});
  session.remove(["8"]);
  await settled();
  assert.deepEqual([...session.entries.keys()], ["7", "8", "9"]);
  assert(!session.canUndo());
});

test("somebody else's change is noticed by the revision of any answer", async () => {
  const {server, session} = await begin();
  let others = 0;
  session.on("others", ({count}) => (others += count));
  server.byOthers({op: "delete", id: 8});
  await session.open(1, NOWHERE);
  await fetch("api/status");
  session.prepare(2);
  await until(() => !session.entries.has("8"), "it is noticed");
  assert.equal(others, 1);
});

test("somebody else's change just before one of ours is noticed too", async () => {
  const {server, session, settled} = await begin();
  server.byOthers({op: "delete", id: 8});
  session.update("7", {category_id: 2});
  await settled();
  await until(() => !session.entries.has("8"), "it is noticed");
});

test("a change of this image that is told of comes at once, with who made it", async () => {
  const {server, session} = await begin();
  server.byOthers({op: "update", id: 7, changes: {category_id: 2}});
  session.heard(server.told("anna"));
  tellRevision(server.revision);
  await until(() => session.entries.get("7")?.annotation.category_id === 2, "it is there");
  assert.equal(session.entries.get("7")?.others?.user, "anna");
  assert.equal(session.entries.get("8")?.others, null);
});

test("a change that was noticed before it was told of gets its author then, and one's own gets none", async () => {
  const {server, session, settled} = await begin();
  session.update("8", {category_id: 1});
  await settled();
  const own = server.told("anna");
  server.byOthers({op: "update", id: 7, changes: {category_id: 2}});
  tellRevision(server.revision);
  await until(() => session.entries.get("7")?.annotation.category_id === 2, "it is noticed");
  assert.equal(session.entries.get("7")?.others?.user, null);
  session.heard(own);
  session.heard(server.told("anna"));
  assert.equal(session.entries.get("7")?.others?.user, "anna");
  assert.equal(session.entries.get("8")?.others, null);
});

test("what is told of other images costs no call", async () => {
  const {server, session} = await begin();
  const calls = server.calls.length;
  for (const bbox of [[1, 1, 2, 2], [1, 1, 3, 3], [1, 1, 4, 4]]) {
    server.byOthers({op: "update", id: 20, changes: {bbox}});
    session.heard(server.told("anna"));
    tellRevision(server.revision);
  }
  // Of this one nothing is told but the revision, so that it must be looked at.
  server.byOthers({op: "update", id: 7, changes: {category_id: 2}});
  tellRevision(server.revision);
  await until(() => session.entries.get("7")?.annotation.category_id === 2, "it is noticed");
  assert.equal(server.calls.length, calls + 1);
});

test("one's own change is no news, whether its answer or its event comes first", async () => {
  const {server, session, settled} = await begin();
  let others = 0;
  session.on("others", () => (others += 1));
  session.update("7", {category_id: 2});
  await settled();
  session.heard(server.told("me"));
  tellRevision(server.revision);
  // Longer than the page waits before it asks.
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(server.calls.filter(({method, path}) => method === "GET" && path.includes("/annotations")).length, 1);
  const go = server.keepBack();
  session.update("7", {category_id: 1});
  await until(() => server.isWaiting, "it is on its way");
  session.heard({...server.told("me"), revision: server.revision + 1});
  tellRevision(server.revision + 1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  go();
  await settled();
  // Whatever comes of the event above has come when this is there.
  server.byOthers({op: "delete", id: 8});
  session.heard(server.told("anna"));
  tellRevision(server.revision);
  await until(() => !session.entries.has("8"), "it is there");
  assert.equal(others, 1);
  assert.equal(server.calls.filter(({method, path}) => method === "GET" && path.includes("/annotations")).length, 2);
  assert.equal(session.entries.get("7")?.others, null);
});

test("one's own undo is no change of somebody else's, though it is told of before its answer", async () => {
  const {server, session, settled} = await begin();
  let others = 0;
  session.on("others", () => (others += 1));
  session.update("7", {category_id: 2});
  await settled();
  // It is done, and its answer is still on its way.
  const {fetch} = globalThis;
  const gate = {open: () => {}};
  const opened = new Promise((resolve) => (gate.open = () => resolve(undefined)));
  globalThis.fetch = async (path, init) => {
    const answer = await fetch(path, init);
    if (String(path).endsWith("/undo")) await opened;
    return answer;
  };
  const [undone, before] = [session.undo(), server.revision];
  await until(() => server.revision > before, "it is done");
  session.heard(server.told("me"));
  tellRevision(server.revision);
  await new Promise((resolve) => setTimeout(resolve, 60));
  gate.open();
  await undone;
  await until(() => session.entries.get("7")?.annotation.category_id === 1, "it is undone");
  assert.equal(others, 0);
  assert.equal(session.entries.get("7")?.others, null);
});

test("what somebody else did to a shape under the pointer comes when it is let go, with the name", async () => {
  const {server, session} = await begin();
  session.hold("7");
  server.byOthers({op: "update", id: 7, changes: {category_id: 2}}, {op: "delete", id: 8});
  session.heard(server.told("anna"));
  tellRevision(server.revision);
  await until(() => !session.entries.has("8"), "the other one is gone");
  assert.equal(session.entries.get("7")?.annotation.category_id, 1);
  session.release("7");
  assert.equal(session.entries.get("7")?.annotation.category_id, 2);
  assert.equal(session.entries.get("7")?.others?.user, "anna");
});

test("a conflict says who was faster", async () => {
  const {server, session, settled} = await begin();
  const conflict = /** @type {Promise<Conflict>} */ (new Promise((resolve) => session.on("conflict", resolve)));
  const go = server.keepBack();
  session.update("7", {category_id: 2});
  server.byOthers({op: "update", id: 7, changes: {bbox: [1, 1, 9, 9]}});
  session.heard(server.told("ben"));
  go();
  const {author, resolve} = await conflict;
  assert.equal(author?.user, "ben");
  resolve("theirs");
  await settled();
});

test("an undo that somebody has built upon says who", async () => {
  const {server, session, refused, settled} = await begin();
  session.update("7", {category_id: 2});
  await settled();
  server.byOthers({op: "update", id: 7, changes: {bbox: [1, 1, 9, 9]}});
  server.authors.set(7, "ben");
  await session.undo();
  assert.match(refused[0], /annotation 7 was changed since then by ben/);
});

test("who may only look changes nothing, and is told why", async () => {
  const {server, session, refused} = await begin();
  const looker = (last = new Session({changes: new Changes(new Queue()), lacks: () => "needs the role annotator; yours is viewer"}));
  session.close();
  looker.on("refused", (message) => refused.push(message));
  looker.setCategory(1);
  await looker.open(1, NOWHERE);
  assert(looker.isThere && !looker.canEdit());
  looker.remove(["7"]);
  assert.equal(looker.add({bbox: [1, 1, 5, 5]}), null);
  assert.deepEqual(refused, Array(2).fill("Not changed: it needs the role annotator; yours is viewer."));
  assert.deepEqual(server.changeCalls, []);
  assert(looker.entries.has("7"));
});

test("a list that was read before our change and comes after its answer changes nothing", async () => {
  const {session, settled} = await begin();
  const real = globalThis.fetch;
  let letGo = /** @type {(() => void) | null} */ (null);
  globalThis.fetch = /** @type {typeof fetch} */ (async (path, init) => {
    const answer = await real(path, init);
    if (init?.method === "GET" && !letGo) await new Promise((resolve) => (letGo = () => resolve(undefined)));
    return answer;
  });
  const read = session.reopen();
  await until(() => letGo, "the list is read");
  session.update("7", {bbox: [11, 20, 30.5, 40]});
  await settled();
  /** @type {any} */ (letGo)();
  await read;
  assert.deepEqual(session.entries.get("7")?.annotation.bbox, [11, 20, 30.5, 40]);
});

test("coming back to an image whose changes are unanswered shows them", async () => {
  const {server, queue, session, settled} = await begin();
  const real = globalThis.fetch;
  globalThis.fetch = /** @type {typeof fetch} */ ((path, init) => (init?.method === "POST" && server.losing === 99 ? Promise.reject(new TypeError("lost")) : real(path, init)));
  server.losing = 99;
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  session.update("7", {category_id: 2});
  await until(() => queue.away, "nothing is answered");
  await session.open(2, NOWHERE);
  await session.open(1, NOWHERE);
  assert.equal(session.entries.get("7")?.annotation.category_id, 2);
  assert(session.entries.has(key));
  server.losing = 0;
  queue.wake();
  await settled();
  assert.deepEqual(records(session).map(({id}) => id), [7, 8, 9, 100]);
});

test("a number key means what the user selected, and else the next shape", async () => {
  const {server, session, settled} = await begin();
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  session.choose(2);
  await settled();
  assert.equal(session.entries.get(key)?.annotation.category_id, 1);
  assert.equal(session.category, 2);
  session.select([key]);
  session.choose(2);
  await settled();
  assert.equal(session.entries.get(key)?.annotation.category_id, 2);
  session.select(["7"]);
  session.setCategory(1);
  await settled();
  assert.match(server.annotations.get(7) ?? "", /"category_id":1/);
});

test("a number key after a deletion, or on the next image, means the next shape", async () => {
  const {session, settled} = await begin();
  session.select(["7"]);
  session.remove(["7"]);
  session.choose(2);
  assert.equal(session.category, 2);
  session.select(["8"]);
  await session.open(2, NOWHERE);
  session.choose(1);
  assert.equal(session.category, 1);
  await settled();
});

test("a caption without a category does not get one", async () => {
  const {server, session, settled} = await begin();
  session.select(["7", "9"]);
  session.choose(2);
  await settled();
  assert.equal(server.annotations.get(9), CAPTION);
  assert.match(server.annotations.get(7) ?? "", /"category_id":2/);
});

test("many are one change and one undo", async () => {
  const {server, session, settled} = await begin();
  const before = [...server.annotations];
  session.updateMany([["7", {category_id: 2}], ["8", {category_id: 1}]]);
  session.remove(["7", "8", "9"]);
  session.addMany([{bbox: [1, 1, 2, 2]}, {bbox: [2, 2, 2, 2], category_id: 2}]);
  await settled();
  assert.equal(server.changeCalls.length, 3);
  for (let i = 0; i < 3; i++) await session.undo();
  assert.deepEqual([...server.annotations], before);
});

test("two annotations with one id are both there", async () => {
  const {session} = await begin(BOX, OTHER);
  const server = new FakeServer(BOX, OTHER);
  const real = globalThis.fetch;
  globalThis.fetch = /** @type {typeof fetch} */ (async (path, init) => {
    const answer = await real(path, init);
    if (!String(path).includes("/annotations") || answer.status !== 200) return answer;
    const [first] = await answer.json();
    return new Response(JSON.stringify([first, {...first, category_id: 2, _etag: '"other"'}]), {headers: {"X-Dataset-Revision": String(server.revision)}});
  });
  session.close();
  await session.open(1, NOWHERE);
  assert.deepEqual([...session.entries.keys()], ["7", "7#2"]);
  assert.deepEqual(records(session).map(({category_id}) => category_id), [1, 2]);
});

test("what can't be drawn is there with its reason and its text", async () => {
  new FakeServer('{"id":7,"image_id":1,"category_id":1,"bbox":"10 20","area":1.0}', OTHER);
  const session = new Session({changes: new Changes(new Queue()), fault: ({bbox}) => (Array.isArray(bbox) ? null : "the box is text")});
  await session.open(1, NOWHERE);
  const [broken, fine] = session.entries.values();
  assert.equal(broken.broken, "the box is text");
  assert.equal(broken.text, '{"id":7,"image_id":1,"category_id":1,"bbox":"10 20","area":1.0}');
  assert.equal(fine.broken, null);
});

test("what is locked is not deleted", async () => {
  const {server, session, refused, settled} = await begin();
  session.visibility.toggleLockedCategory(1);
  session.remove(["7"]);
  assert.equal(refused.length, 1);
  session.remove(["7", "8"]);
  await settled();
  assert.deepEqual([...server.annotations.keys()], [7, 9, 20]);
});

test("a new shape is seen, whatever was hidden", async () => {
  const {session} = await begin();
  session.visibility.toggleAll();
  session.visibility.toggleHiddenCategory(1);
  const key = session.add({bbox: [1, 1, 5, 5]}) ?? "";
  const entry = session.entries.get(key);
  assert(entry && session.isVisible(entry));
});

test("a changed polygon has its new box at once", async () => {
  const {session, settled} = await begin('{"id":7,"image_id":1,"category_id":1,"segmentation":[[1.0,1.0,5.0,1.0,5.0,5.0]],"bbox":[1.0,1.0,4.0,4.0],"area":8.0}');
  session.update("7", {segmentation: [[1, 1, 9, 1, 5, 5]]});
  assert.deepEqual(session.entries.get("7")?.annotation.bbox, [1, 1, 8, 4]);
  await settled();
});

test("keypoints that were moved have their new box at once, as the server will give it", async () => {
  const points = '"category_id":1,"keypoints":[1,2,2,0,0,0,5,8,1],"area":24';
  const {session, settled} = await begin(
    `{"id":7,"image_id":1,"bbox":[1,2,4,6],"segmentation":[],${points}}`, `{"id":8,"image_id":1,"bbox":[0,0,9,9],"segmentation":[],${points}}`,
  );
  for (const key of ["7", "8"]) session.update(key, {keypoints: [2, 2, 2, 0, 0, 0, 6, 9, 1]});
  assert.deepEqual(records(session).map(({bbox}) => bbox), [[2, 2, 4, 7], [0, 0, 9, 9]]);
  await settled();
});

test("one change touches one entry", async () => {
  const {session, settled} = await begin();
  /** @type {Differences[]} */
  const told = [];
  session.on("differences", (differences) => told.push(differences));
  const before = session.entries.get("8");
  session.update("7", {category_id: 2});
  await settled();
  assert.deepEqual(told.map(({added, changed, removed}) => [added.length, changed.map(({key}) => key), removed.length]), [[0, ["7"], 0], [0, ["7"], 0]]);
  assert.equal(session.entries.get("8"), before);
});

test("an image that was read ahead is shown without asking again", async () => {
  const {server, session} = await begin();
  session.prepare(2);
  await until(() => server.calls.filter(({path}) => path.startsWith("api/images/2")).length === 2, "it is read ahead");
  const count = server.calls.length;
  await session.open(2, NOWHERE);
  assert.equal(session.state, "ready");
  assert.equal(server.calls.length, count);
});

test("an image that somebody deleted is said to be deleted", async () => {
  const {server, session} = await begin();
  server.images = server.images.filter(({id}) => id !== 1);
  await session.reopen();
  assert.equal(session.state, "missing");
  assert.match(session.error ?? "", /deleted/);
  assert.equal(session.entries.size, 0);
});

test("that a list is as it was when it was asked for says nothing of one that came meanwhile", async () => {
  const {session, settled} = await begin();
  session.remove(["7"]);
  await settled();
  for (const there of [true, false]) {
    await (there ? session.undo() : session.redo());
    await until(() => session.entries.has("7") === there, "the list is read");
  }
  const real = globalThis.fetch;
  /** @type {(() => void)[]} */
  const held = [];
  globalThis.fetch = /** @type {typeof fetch} */ (async (path, init) => {
    const answer = await real(path, init);
    if (String(path).includes("/annotations?")) await new Promise((resolve) => held.push(() => resolve(undefined)));
    return answer;
  });
  // Both lists are asked for before the first of them comes; the second one is again as the page had it.
  await session.undo();
  await session.redo();
  await until(() => held.length === 2, "two lists are on their way");
  globalThis.fetch = real;
  held[0]();
  await until(() => session.entries.has("7"), "the first one is there");
  held[1]();
  await until(() => !session.entries.has("7"), "the second one is true");
});
