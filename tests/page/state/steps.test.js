import assert from "node:assert/strict";
import {test} from "node:test";

import {Steps} from "../../../cocoannot/web/static/state/steps.js";

/** Steps that are over when `next` is called, which says whether they went on. */
function held() {
  /** @type {number[]} */
  const made = [];
  /** @type {((went: boolean) => void)[]} */
  const waiting = [];
  const steps = new Steps((step) => {
    made.push(step);
    return new Promise((resolve) => waiting.push(resolve));
  });
  const next = async (went = true) => {
    waiting.shift()?.(went);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {steps, made, next};
}

test("a step that is wanted while another is on its way comes after it", async () => {
  const {steps, made, next} = held();
  void steps.go(1);
  void steps.go(1);
  assert.deepEqual(made, [1]);
  await next();
  assert.deepEqual(made, [1, 1]);
  await next();
  assert.deepEqual(made, [1, 1]);
  void steps.go(-1);
  assert.deepEqual(made, [1, 1, -1]);
});

test("there and back while one waits is nothing", async () => {
  const {steps, made, next} = held();
  for (const step of [1, 1, -1]) void steps.go(step);
  await next();
  assert.deepEqual(made, [1]);
});

test("a key that is held lets few steps wait", async () => {
  const {steps, made, next} = held();
  for (let i = 0; i < 50; i += 1) void steps.go(1);
  for (let i = 0; i < 50; i += 1) await next();
  assert.equal(made.length, 4);
});

test("where a step is refused, those that wait are given up, and later ones are not", async () => {
  const {steps, made, next} = held();
  for (const step of [1, 1, 1]) void steps.go(step);
  await next(false);
  assert.deepEqual(made, [1]);
  void steps.go(1);
  assert.deepEqual(made, [1, 1]);
});
