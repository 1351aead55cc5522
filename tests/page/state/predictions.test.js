import assert from "node:assert/strict";
import test from "node:test";
import {Changes} from "../../../cocoannot/web/static/state/changes.js";
import {Predictions} from "../../../cocoannot/web/static/state/predictions.js";
import {Preferences} from "../../../cocoannot/web/static/state/preferences.js";
import {Queue} from "../../../cocoannot/web/static/state/queue.js";
import {Session} from "../../../cocoannot/web/static/state/session.js";
import {FakeServer} from "../fake_server.js";
import {until} from "../until.js";

/** @import {PointerInput} from "../../../cocoannot/web/static/types.js" */

const CAT = '{"id":7,"image_id":1,"category_id":1,"bbox":[10,10,20,20],"area":400,"segmentation":[],"iscrowd":0}';
const LAYER = {name: "yolo", version: "v1", created: "2026-01-02T00:00:00Z", predictions: 5, max_score: 1};

/** @param {number} id @param {string} fields */
const said = (id, fields, layer = "yolo", status = "open") =>
  `{"id":${id},"image_id":1,${fields},"_layer":"${layer}","_version":"v1","_status":"${status}","_iou":0.0,"_covered":false,"_covered_by":null}`;

const PREDICTIONS = [
  said(1, '"category_id":1,"bbox":[10,10,20.0,20.5],"score":0.9'),
  said(2, '"category_id":2,"bbox":[10,10,20,20],"score":0.80'),
  said(3, '"category_id":1,"bbox":[50.0,50.50,20,20],"score":0.70,"extra":1.50'),
  said(4, '"category_id":1,"bbox":[55,55,5,5],"score":0.3'),
  said(5, '"category_id":1,"bbox":[0,60,5,5],"score":0.95', "yolo", "rejected"),
  said(6, '"category_id":1,"bbox":"broken","score":0.95'),
  said(1, '"category_id":1,"bbox":[0,0,5,5],"score":0.9', "older"),
];

/** @type {Session | undefined} */
let last;

/** @param {{layers?: FakeServer["layers"], open?: boolean}} options */
async function begin({layers = [{...LAYER, name: "older", created: "2026-01-01T00:00:00Z"}, LAYER], open = true} = {}) {
  const server = new FakeServer(CAT);
  server.layers = layers;
  server.predictions = PREDICTIONS;
  const queue = new Queue({shortest: 1, longest: 4});
  const changes = new Changes(queue);
  last?.close();
  const session = last = new Session({changes});
  const preferences = new Preferences(null);
  const predictions = new Predictions({session, preferences, user: () => "anna"});
  session.setCategory(1);
  await predictions.load();
  if (open) await session.open(1, new URLSearchParams());
  if (open && predictions.layer) await until(() => predictions.open.length > 0, "the predictions are there");
  return {server, session, preferences, predictions, settled: () => until(() => queue.pending === 0, "all is answered")};
}

/** @param {Predictions} predictions */
const ids = (predictions) => predictions.open.map(({annotation}) => annotation.id);

/** @type {(x: number, y: number, more?: Partial<PointerInput>) => PointerInput} */
const at = (x, y, more = {}) => ({kind: "move", x, y, button: 0, shift: false, ctrl: false, alt: false, touch: false, reach: 0, dragged: false, scale: 1, ...more});

test("the newest layer is shown, from the score on, the surest first; what is rejected or can't be drawn is not", async () => {
  const {predictions} = await begin();
  assert.equal(predictions.layer, "yolo");
  assert.deepEqual(ids(predictions), [1, 2, 3]);
  predictions.minScore = 0.2;
  assert.deepEqual(ids(predictions), [1, 2, 3, 4]);
  predictions.minScore = 0.75;
  assert.deepEqual(ids(predictions), [1, 2]);
});

test("a layer that was replaced meanwhile is read anew, and one that was not is not", async () => {
  const {server, predictions} = await begin();
  const asked = () => server.calls.filter(({path}) => path.includes("/predictions?")).length;
  await predictions.load();
  assert.equal(asked(), 1);
  server.layers = [{...LAYER, version: "v2"}];
  server.predictions = [said(9, '"category_id":1,"bbox":[1,1,9,9],"score":1')];
  await predictions.load();
  await until(() => ids(predictions)[0] === 9, "the new ones are there");
  assert.equal(asked(), 2);
});

test("where there are no layers nothing is asked for and nothing is shown", async () => {
  const {server, predictions} = await begin({layers: []});
  assert.equal(predictions.layer, null);
  assert.deepEqual(ids(predictions), []);
  assert.equal(server.calls.some(({path}) => path.includes("/predictions?")), false);
});

test("a layer that can't be read, or is empty, is left out", async () => {
  const {predictions} = await begin({layers: [{...LAYER, problem: "damaged"}, {...LAYER, predictions: 0}]});
  assert.deepEqual(predictions.layers, []);
});

test("another layer or none can be chosen, and none stays for the next time", async () => {
  const {predictions, preferences} = await begin();
  predictions.choose("older");
  await until(() => predictions.open.length === 1, "the other layer is there");
  assert.equal(predictions.open[0].origin.layer, "older");
  predictions.choose(null);
  assert.deepEqual(ids(predictions), []);
  assert.equal(preferences.get("showPredictions"), false);
  await predictions.load();
  assert.equal(predictions.layer, null);
});

test("one is covered by an annotation of its category that is where it is", async () => {
  const {session, predictions} = await begin();
  assert.deepEqual(predictions.open.map(({covered}) => covered), [true, false, false]);
  session.relabel(["7"], 2);
  assert.deepEqual(predictions.open.map(({covered}) => covered), [false, true, false]);
});

test("what is accepted is an annotation with all digits that knows where it came from, and undo makes it open again", async () => {
  const {server, session, predictions, settled} = await begin();
  predictions.accept([predictions.open[2]]);
  assert.deepEqual(ids(predictions), [1, 2]);
  await settled();
  const text = [...server.annotations.values()].at(-1) ?? "";
  assert.match(text, /"bbox":\[50\.0,50\.50,20,20\]/);
  assert.match(text, /"extra":1\.50/);
  assert.match(text, /"prediction":\{"layer":"yolo","version":"v1","id":3,"score":0\.70,"user":"anna"\}/);
  assert.doesNotMatch(text, /"_|"id":3,"image/);
  await session.undo();
  await until(() => predictions.open.length === 3, "it is open again");
  assert.deepEqual(ids(predictions), [1, 2, 3]);
});

test("all that are shown become annotations as one change, but for those that are covered", async () => {
  const {server, predictions, settled} = await begin();
  predictions.accept(predictions.uncovered);
  await settled();
  assert.equal(server.changeCalls.length, 1);
  assert.deepEqual(server.changeCalls[0].body.operations.map((/** @type {any} */ each) => each.annotation.prediction.id), [2, 3]);
  assert.deepEqual(ids(predictions), [1]);
});

test("a model's scores of keypoints become COCO's flags", async () => {
  const {server, session, predictions, settled} = await begin();
  server.predictions = [said(1, '"category_id":1,"bbox":[1,1,9,9],"keypoints":[2.0,3,0.7,4,5,0,6,7,1],"score":1')];
  session.close();
  await session.open(1, new URLSearchParams());
  await until(() => predictions.open.length === 1, "it is there");
  predictions.accept(predictions.open);
  await settled();
  assert.match([...server.annotations.values()].at(-1) ?? "", /"keypoints":\[2\.0,3,2,4,5,0,6,7,1\]/);
});

test("what is rejected is gone at once, for the server too, and can be taken back", async () => {
  const {server, predictions} = await begin();
  const [first] = predictions.open;
  await predictions.reject([first]);
  assert.deepEqual(ids(predictions), [2, 3]);
  assert.deepEqual(server.changeCalls.at(-1)?.body, {ids: [1], rejected: true});
  await predictions.reject([first], false);
  assert.deepEqual(ids(predictions), [1, 2, 3]);
  assert.deepEqual(server.changeCalls.at(-1)?.body, {ids: [1], rejected: false});
});

test("a rejection that the server refuses is taken back with words", async () => {
  const {server, predictions} = await begin();
  /** @type {string[]} */
  const refused = [];
  predictions.on("refused", (message) => refused.push(message));
  server.refusing.push({status: 403, body: {message: "needs the role annotator"}});
  await predictions.reject([predictions.open[0]]);
  assert.deepEqual(ids(predictions), [1, 2, 3]);
  assert.deepEqual(refused, ["Not rejected: needs the role annotator"]);
});

test("the smallest one under the pointer is meant, and none beside it", async () => {
  const {predictions} = await begin();
  predictions.minScore = 0;
  predictions.point(at(57, 57));
  assert.equal(predictions.current?.annotation.id, 4);
  predictions.point(at(69, 69));
  assert.equal(predictions.current?.annotation.id, 3);
  predictions.point(at(90, 5));
  assert.equal(predictions.current, null);
});

test("a click or a finger chooses one, which stays until another is chosen; a drag chooses nothing", async () => {
  const {predictions} = await begin();
  predictions.point(at(60, 60, {kind: "up", touch: true}));
  assert.equal(predictions.current?.annotation.id, 3);
  predictions.point(at(90, 5));
  assert.equal(predictions.current?.annotation.id, 3);
  predictions.point(at(15, 15, {kind: "up", dragged: true, touch: true}));
  assert.equal(predictions.current?.annotation.id, 3);
  predictions.point(at(90, 5, {kind: "up"}));
  assert.equal(predictions.current, null);
});

test("keys go from one to the next, by score, and round", async () => {
  const {predictions} = await begin();
  const steps = [1, 1, 1, 1, -1, -1].map((step) => {
    predictions.step(step);
    return predictions.current?.annotation.id;
  });
  assert.deepEqual(steps, [1, 2, 3, 1, 3, 2]);
});

test("nothing of one image is shown on the next one", async () => {
  const {session, predictions} = await begin();
  predictions.step(1);
  await session.open(2, new URLSearchParams());
  assert.deepEqual([ids(predictions), predictions.current], [[], null]);
});

test("those of a hidden category are not shown", async () => {
  const {session, predictions} = await begin();
  session.visibility.toggleHiddenCategory(2);
  assert.deepEqual(ids(predictions), [1, 3]);
});
