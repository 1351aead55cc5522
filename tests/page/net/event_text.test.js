import assert from "node:assert/strict";
import test from "node:test";
import {EventText} from "../../../cocoannot/web/static/net/event_text.js";

const STREAM = 'retry: 2000\nid: a1:41\nevent: hello\ndata: {"revision":41}\n\nid: a1:42\nevent: change\ndata: {"user":"ä: b"}\n\nid: a1:43\n\n';
const EVENTS = [
  {event: "hello", id: "a1:41", data: {revision: 41}},
  {event: "change", id: "a1:42", data: {user: "ä: b"}},
];

test("events are the same however the stream is cut", () => {
  for (const end of ["\n", "\r\n"]) {
    const stream = STREAM.replaceAll("\n", end);
    for (let at = 0; at <= stream.length; at++) {
      const text = new EventText();
      const events = [...text.take(stream.slice(0, at)), ...text.take(stream.slice(at))];
      // A cut within "\r\n" makes an empty line of nothing.
      assert.deepEqual(events, EVENTS, `cut at ${at}`);
      assert.equal(text.id, "a1:43");
    }
  }
});

test("an id alone is no event, but it moves the place where the stream goes on", () => {
  const text = new EventText("a1:1");
  assert.deepEqual(text.take("id: a1:9\n\n"), []);
  assert.equal(text.id, "a1:9");
});

test("an event without an id does not move it", () => {
  const text = new EventText("a1:1");
  assert.deepEqual(text.take('event: saved\ndata: {"file":3}\n\n'), [{event: "saved", id: null, data: {file: 3}}]);
  assert.equal(text.id, "a1:1");
});
