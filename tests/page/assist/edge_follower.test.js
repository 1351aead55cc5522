import assert from "node:assert/strict";
import test from "node:test";
import {EdgeFollower} from "../../../cocoannot/web/static/assist/edge_follower.js";

const IMAGE = {id: 7, width: 100, height: 80};

/** @type {HandWorker[]} */
let workers = [];

/** A worker that answers when the test says so. */
class HandWorker {
  /** @type {{number: number, question: any}[]} */
  asked = [];
  isEnded = false;
  onmessage = (/** @type {any} */ _) => {};
  onerror = () => {};

  constructor() {
    workers.push(this);
  }

  /** @param {any} message */
  postMessage(message) {
    this.asked.push(message);
  }

  /** Answer the newest question. @param {object} answer */
  answer(answer) {
    this.onmessage({data: {number: this.asked.at(-1)?.number, ...answer}});
  }

  terminate() {
    this.isEnded = true;
  }
}

/** @param {import("node:test").TestContext} context */
function begin(context) {
  workers = [];
  Object.assign(globalThis, {Worker: HandWorker, document: {baseURI: "http://here/base/"}});
  context.after(() => {
    for (const name of ["Worker", "document"]) Reflect.deleteProperty(globalThis, name);
  });
  return new EdgeFollower();
}

/** @type {(x: number) => {from: null, to: [number, number], reach: number}} */
const at = (x) => ({from: null, to: [x, 0], reach: 8});

test("the worker is told where the picture is and how large its record says that it is", async (context) => {
  const follower = begin(context);
  follower.prepare(IMAGE);
  assert.deepEqual(workers[0].asked[0].question, {url: "http://here/base/api/images/7/file", frame: {width: 100, height: 80}});
  follower.prepare({...IMAGE, width: 0});
  workers[0].answer({answer: null});
  assert.equal(workers[0].asked[1].question.frame, null);
});

test("of questions that are passing only the newest waits, and all others are answered in order", async (context) => {
  const follower = begin(context);
  const first = follower.follow(IMAGE, at(1), {isPassing: true});
  const second = follower.follow(IMAGE, at(2), {isPassing: true});
  const click = follower.follow(IMAGE, at(3));
  const last = follower.follow(IMAGE, at(4), {isPassing: true});
  assert.equal(await second, null);
  const [worker] = workers;
  assert.equal(worker.asked.length, 1);
  for (const x of [1, 3, 4]) {
    assert.deepEqual(worker.asked.at(-1)?.question.to, [x, 0]);
    worker.answer({answer: {at: [x, 0], way: []}});
  }
  assert.deepEqual([(await first)?.at, (await click)?.at, (await last)?.at], [[1, 0], [3, 0], [4, 0]]);
});

test("a click is not overtaken by a pointer that goes on, nor by another click", async (context) => {
  const follower = begin(context);
  const clicks = [1, 2, 3].map((x) => follower.follow(IMAGE, at(x)));
  for (const x of [1, 2, 3]) workers[0].answer({answer: {at: [x, 0], way: []}});
  assert.deepEqual((await Promise.all(clicks)).map((answer) => answer?.at), [[1, 0], [2, 0], [3, 0]]);
});

test("what the worker can't do is said, and the next question is asked", async (context) => {
  const follower = begin(context);
  const first = follower.follow(IMAGE, at(1));
  const second = follower.follow(IMAGE, at(2));
  workers[0].answer({error: "the server answers with 404"});
  await assert.rejects(first, /answers with 404/);
  workers[0].answer({answer: {at: [2, 0], way: []}});
  assert.deepEqual((await second)?.at, [2, 0]);
});

test("where a worker breaks, the next question gets another one", async (context) => {
  const follower = begin(context);
  const first = follower.follow(IMAGE, at(1));
  const second = follower.follow(IMAGE, at(2));
  workers[0].onerror();
  await assert.rejects(first, /can't work it out/);
  assert.equal(workers[0].isEnded, true);
  workers[1].answer({answer: {at: [2, 0], way: []}});
  assert.deepEqual((await second)?.at, [2, 0]);
});
