import assert from "node:assert/strict";
import test from "node:test";
import {Categories} from "../../../cocoannot/web/static/state/categories.js";
import {Changes} from "../../../cocoannot/web/static/state/changes.js";
import {Preferences} from "../../../cocoannot/web/static/state/preferences.js";
import {Queue} from "../../../cocoannot/web/static/state/queue.js";
import {FakeServer} from "../fake_server.js";
import {until} from "../until.js";

async function begin() {
  const server = new FakeServer();
  const changes = new Changes(new Queue({shortest: 1, longest: 4}));
  const categories = new Categories(changes, new Preferences(null));
  await categories.load();
  let told = 0;
  categories.on("change", () => (told += 1));
  return {server, changes, categories, told: () => told, names: () => categories.all().map(({name}) => name)};
}

test("categories are known by id, with words for those that are not there", async () => {
  const {categories} = await begin();
  assert.equal(categories.nameOf(2), "dog");
  assert.equal(categories.nameOf(77), "category 77");
  assert.equal(categories.nameOf(undefined), "no category");
  assert.equal(categories.get(77), null);
});

test("a category that is added, renamed and deleted can be undone and redone", async () => {
  const {server, changes, categories, names} = await begin();
  const {id} = await categories.add("bird");
  await categories.update(1, {name: "lion"});
  await categories.remove(2);
  assert.deepEqual(names(), ["lion", "bird"]);
  for (let i = 0; i < 3; i++) await changes.undo();
  assert.deepEqual(server.categories.map(({name}) => name), ["cat", "dog"]);
  await until(() => names().join() === "cat,dog", "they are read again");
  await changes.redo();
  await until(() => names().join() === "cat,dog,bird", "they are read again");
  assert.equal(categories.get(id)?.name, "bird");
});

test("a refused name is told to the one who gave it, and nothing is other", async () => {
  const {categories, told} = await begin();
  await assert.rejects(categories.add("dog"), {message: "There is a category dog already"});
  assert.equal(told(), 0);
});

test("a category is added once where the answer was lost", async () => {
  const {server, categories, names} = await begin();
  server.losing = 2;
  await categories.add("bird");
  assert.deepEqual(names(), ["cat", "dog", "bird"]);
});

test("views are told once for a change, and not where nothing is other", async () => {
  const {categories, told} = await begin();
  await categories.load();
  assert.equal(told(), 0);
  await categories.update(1, {name: "lion"});
  assert.equal(told(), 1);
});

test("a key chooses the category that is pinned to it, else the one at that place", async () => {
  const {categories} = await begin();
  assert.deepEqual([categories.ofKey(1), categories.ofKey(2), categories.ofKey(3)], [1, 2, null]);
  categories.pin(5, 1);
  assert.equal(categories.ofKey(5), 1);
  assert.equal(categories.keyOf(1), 5);
  categories.pin(1, 2);
  assert.equal(categories.ofKey(1), 2);
  categories.pin(7, 2);
  assert.equal(categories.ofKey(1), 1);
});

test("what was chosen last comes first", async () => {
  const {categories} = await begin();
  for (const id of [1, 2, 1]) categories.use(id);
  assert.deepEqual(categories.recent, [1, 2]);
});
