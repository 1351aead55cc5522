import assert from "node:assert/strict";
import test from "node:test";
import {Commands} from "../../../cocoannot/web/static/state/commands.js";
import {Preferences} from "../../../cocoannot/web/static/state/preferences.js";

/** @param {Partial<import("../../../cocoannot/web/static/state/commands.js").Pressed>} pressed */
const press = (pressed) => ({key: "", code: "", ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...pressed});

function storage() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {getItem: (/** @type {string} */ name) => kept.get(name) ?? null, setItem: (/** @type {string} */ name, /** @type {string} */ value) => void kept.set(name, value)};
}

function begin(place = storage()) {
  const commands = new Commands(new Preferences(place));
  /** @type {string[]} */
  const ran = [];
  for (const [id, keys, scope] of /** @type {[string, string[], import("../../../cocoannot/web/static/types.js").Command["scope"]][]} */ ([
    ["next", ["F", "ArrowRight"], "editor"], ["undo", ["Ctrl+Z"], "everywhere"], ["redo", ["Ctrl+Shift+Z"], "everywhere"], ["keys", ["?"], "everywhere"],
    ["forward", ["]"], "editor"], ["one", ["1"], "editor"], ["larger", ["+"], "editor"], ["find", ["F"], "gallery"], ["done", ["Space"], "editor"], ["repeat", ["Alt+R"], "editor"],
  ])) commands.add({id, title: id, keys, scope, run: () => ran.push(id)});
  commands.scope = "editor";
  return {commands, ran, place, match: (/** @type {Parameters<typeof press>[0]} */ pressed) => commands.match(press(pressed))?.id ?? null};
}

test("a key means a command of what is shown", () => {
  const {commands, match} = begin();
  assert.equal(match({key: "f", code: "KeyF"}), "next");
  assert.equal(match({key: "ArrowRight"}), "next");
  assert.equal(match({key: " ", code: "Space"}), "done");
  commands.scope = "gallery";
  assert.equal(match({key: "f", code: "KeyF"}), "find");
  assert.equal(match({key: "ArrowRight"}), null);
});

test("Ctrl, Shift and Alt are parts of the key; the Mac's Command is Ctrl", () => {
  const {match} = begin();
  assert.equal(match({key: "z", code: "KeyZ", ctrlKey: true}), "undo");
  assert.equal(match({key: "z", code: "KeyZ", metaKey: true}), "undo");
  assert.equal(match({key: "Z", code: "KeyZ", ctrlKey: true, shiftKey: true}), "redo");
  assert.equal(match({key: "z", code: "KeyZ"}), null);
  assert.equal(match({key: "F", code: "KeyF", shiftKey: true}), null);
  assert.equal(match({key: "?", code: "Slash", shiftKey: true}), "keys");
  assert.equal(match({key: "+", code: "Equal", shiftKey: true}), "larger");
});

test("keys work on any layout", () => {
  const {match} = begin();
  assert.equal(match({key: "а", code: "KeyF"}), "next", "Russian");
  assert.equal(match({key: "я", code: "KeyZ", ctrlKey: true}), "undo", "Russian, with Ctrl");
  assert.equal(match({key: "u", code: "KeyF"}), null, "Dvorak: a Latin letter means itself");
  assert.equal(match({key: "&", code: "Digit1"}), "one", "French");
  assert.equal(match({key: "+", code: "BracketRight"}), "larger", "German: the sign before the place");
  assert.equal(match({key: "]", code: "Digit9", ctrlKey: true, altKey: true}), "forward", "German, with AltGr");
  assert.equal(match({key: "®", code: "KeyR", altKey: true}), "repeat", "Mac, with Alt");
});

test("a changed key is kept, and taken from the command that had it", () => {
  const {commands, match, place} = begin();
  commands.remap("forward", ["f"]);
  assert.equal(match({key: "f", code: "KeyF"}), "forward");
  assert.deepEqual(commands.keysOf("next"), ["ArrowRight"]);
  assert.deepEqual(commands.keysOf("find"), ["F"], "the gallery's keys are others");
  assert.deepEqual(begin(place).commands.keysOf("forward"), ["f"]);
  commands.remap("forward", null);
  assert.equal(match({key: "]", code: "BracketRight"}), "forward");
});

test("keys without Ctrl or Alt can be switched off", () => {
  const {commands, match} = begin();
  commands.useSingleKeys(false);
  assert.equal(match({key: "f", code: "KeyF"}), null);
  assert.equal(match({key: "?", code: "Slash", shiftKey: true}), null);
  assert.equal(match({key: "ArrowRight"}), "next");
  assert.equal(match({key: "z", code: "KeyZ", ctrlKey: true}), "undo");
});

test("a command runs where it means anything", () => {
  const {commands, ran} = begin();
  let can = false;
  commands.add({id: "delete", title: "Delete", keys: ["Delete"], scope: "editor", when: () => can, run: () => ran.push("delete")});
  assert.equal(commands.run("delete"), false);
  can = true;
  assert.equal(commands.run("delete"), true);
  assert.equal(commands.run("find"), false);
  assert.deepEqual(ran, ["delete"]);
  assert.throws(() => commands.add({id: "delete", title: "", keys: [], scope: "editor", run: () => {}}), /two commands/);
});
