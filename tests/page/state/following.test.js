import assert from "node:assert/strict";
import test from "node:test";
import {onRevision} from "../../../cocoannot/web/static/net/api.js";
import {Emitter} from "../../../cocoannot/web/static/state/emitter.js";
import {Following} from "../../../cocoannot/web/static/state/following.js";

function begin() {
  const events = /** @type {any} */ (new Emitter());
  const following = new Following(events);
  /** @type {(string | number)[]} */
  const told = [];
  following.on("change", ({revision}) => told.push(`change ${revision}`));
  following.on("reset", () => told.push("reset"));
  following.on("saved", () => told.push("saved"));
  const change = (/** @type {number} */ revision) => events.emit("change", {revision, time: 0, user: null, edits: []});
  const off = onRevision((revision) => told.push(revision));
  return {events, following, told, change, off};
}

test("those who ask by revisions hear of a change after those who know what it touches", () => {
  const {told, change, off} = begin();
  change(11);
  change(12);
  off();
  assert.deepEqual(told, ["change 11", 11, "change 12", 12]);
});

test("a page that is hidden hears of all when it is seen again, in order, and of nothing before", () => {
  const {events, following, told, change, off} = begin();
  following.setHidden(true);
  change(11);
  events.emit("saved", {});
  events.emit("hello", {revision: 12});
  change(12);
  assert.deepEqual(told, []);
  following.setHidden(false);
  following.setHidden(false);
  off();
  assert.deepEqual(told, ["change 11", 11, "change 12", 12]);
});

test("a page that was hidden for long reads again, and keeps no heap of changes", () => {
  const {following, told, change, off} = begin();
  following.setHidden(true);
  for (let revision = 1; revision <= 2000; revision++) change(revision);
  following.setHidden(false);
  off();
  assert.deepEqual(told, ["reset"]);
});

test("it is known whether changes come by themselves", () => {
  const {events, following, off} = begin();
  /** @type {string[]} */
  const heard = [];
  for (const name of /** @type {const} */ (["back", "away", "out"])) following.on(name, () => heard.push(name));
  for (const state of ["connecting", "following", "following", "away", "polling", "following", "out"]) events.emit("state", {state, status: 0});
  off();
  assert.deepEqual(heard, ["back", "away", "back", "out", "away"]);
  assert(!following.isLive);
});
