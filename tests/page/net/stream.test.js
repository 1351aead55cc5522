import assert from "node:assert/strict";
import test from "node:test";
import {SharedStream} from "../../../cocoannot/web/static/net/shared_stream.js";
import {Stream} from "../../../cocoannot/web/static/net/stream.js";
import {until} from "../until.js";

/** @import {EventMessage} from "../../../cocoannot/web/static/types.js" */
/** @typedef {{send: (text: string) => void, end: () => void}} Connection */

/** Streams and answers, one after another, behind the global `fetch`. */
class Server {
  /** @type {{path: string, last: string | undefined}[]} */
  calls = [];
  /** @type {Connection[]} */
  open = [];
  /** @type {(path: string) => Response | null} What is answered instead of a stream. */
  answer = () => null;

  constructor() {
    globalThis.fetch = /** @type {typeof fetch} */ (async (address, init) => {
      const path = String(address).replace("http://server/", "");
      this.calls.push({path, last: /** @type {Record<string, string> | undefined} */ (init?.headers)?.["Last-Event-ID"]});
      return this.answer(path) ?? new Response(this.#stream(init?.signal ?? new AbortController().signal));
    });
  }

  /** @param {AbortSignal} signal */
  #stream(signal) {
    const encoder = new TextEncoder();
    return new ReadableStream({
      start: (controller) => {
        signal.addEventListener("abort", () => {
          try {
            controller.error(signal.reason);
          } catch {
            // It has ended.
          }
        });
        this.open.push({send: (text) => controller.enqueue(encoder.encode(text)), end: () => controller.close()});
      },
    });
  }

  get last() {
    return this.open[this.open.length - 1];
  }
}

const HELLO = 'id: a1:5\nevent: hello\ndata: {"revision":5,"present":[]}\n\n';
const change = (/** @type {number} */ revision) => `id: a1:${revision}\nevent: change\ndata: {"revision":${revision},"edits":[]}\n\n`;
const TIMES = {shortest: 1, longest: 4, silence: 10_000, first: 10_000, poll: 30};

/**
 * @param {Partial<typeof TIMES>} [times]
 * @param {Server["answer"]} [answer]
 */
function begin(times, answer = () => null) {
  const server = new Server();
  server.answer = answer;
  /** @type {EventMessage[]} */
  const told = [];
  const stream = new Stream({base: "http://server/", client: "tab 1", tell: (message) => told.push(message), times: {...TIMES, ...times}});
  const ended = stream.run();
  const states = () => told.filter(({event}) => event === "state").map(({data}) => data.state);
  const revisions = () => told.filter(({event}) => event === "change").map(({data}) => data.revision);
  return {server, told, stream, states, revisions, end: async () => (stream.end(), await ended)};
}

test("a stream that breaks off goes on after the newest id", async () => {
  const {server, revisions, states, end} = begin();
  await until(() => server.open.length === 1, "a connection");
  assert.equal(server.calls[0].path, "api/events?client=tab%201");
  assert.equal(server.calls[0].last, undefined);
  server.last.send(HELLO + change(6) + "id: a1:7\n\n");
  await until(() => revisions().length === 1, "the change");
  server.last.end();
  await until(() => server.open.length === 2, "it comes again");
  assert.equal(server.calls[1].last, "a1:7");
  server.last.send('id: a1:7\nevent: hello\ndata: {"revision":8}\n\n' + change(8));
  await until(() => revisions().length === 2, "the next change");
  assert.deepEqual(revisions(), [6, 8]);
  assert.deepEqual(states(), ["following", "connecting", "following"]);
  await end();
});

test("a stream in which nothing comes is given up for another one", async () => {
  const {server, end} = begin({silence: 20});
  await until(() => server.open.length === 1, "a connection");
  server.last.send(HELLO);
  await until(() => server.open.length === 2, "another one");
  assert.equal(server.calls[1].last, "a1:5");
  await end();
});

test("who is not known waits until somebody has logged in, and says so", async () => {
  const {server, states, stream, end} = begin({longest: 60_000}, () => new Response("{}", {status: 401}));
  await until(() => states().includes("out"), "it is told");
  assert.equal(server.calls.length, 1);
  server.answer = () => null;
  stream.restart();
  await until(() => server.open.length === 1, "it tries again");
  await end();
});

test("a server that is away is asked again, and no other way is tried", async () => {
  const {server, states, end} = begin({}, () => {
    throw new TypeError("Failed to fetch");
  });
  await until(() => server.calls.length > 5, "several tries");
  server.answer = () => null;
  await until(() => server.open.length === 1, "a connection");
  assert(server.calls.every(({path}) => path.startsWith("api/events")));
  server.last.send(HELLO);
  await until(() => states().at(-1) === "following", "it follows");
  assert.deepEqual(states(), ["away", "following"]);
  await end();
});

test("where no stream can be had, changes are asked for, without a gap, and a stream is tried again", async () => {
  const {server, told, revisions, states, end} = begin();
  await until(() => server.open.length === 1, "a connection");
  server.last.send(HELLO + change(6));
  await until(() => revisions().length === 1, "the change");
  let newest = 9;
  server.answer = (path) => {
    if (path.startsWith("api/events")) return new Response("{}", {status: 503});
    if (path === "api/status") return new Response('{"revision":{"memory":9}}');
    if (path === "api/presence") return new Response('[{"client":"b","user":"ben","image_id":3,"editing":false,"since":1}]');
    const since = Number(/since=(\d+)/.exec(path)?.[1]);
    const found = Array.from({length: newest - since}, (_, i) => ({revision: since + 1 + i, kind: "change", edits: []}));
    newest += 1;
    return new Response(JSON.stringify(found.slice(0, 2)));
  };
  server.last.end();
  await until(() => revisions().length > 5, "changes");
  assert.deepEqual(revisions().slice(0, 6), [6, 7, 8, 9, 10, 11]);
  assert(states().includes("polling"));
  assert.equal(told.filter(({event}) => event === "hello")[1].data.present[0].user, "ben");
  await until(() => states().lastIndexOf("connecting") > states().indexOf("polling"), "a stream is tried again");
  const {answer} = server;
  server.answer = (path) => (path.startsWith("api/events") ? null : answer(path));
  await until(() => server.open.length === 2, "a connection");
  // Exactly after the last one that was told.
  assert.equal(server.calls.findLast(({path}) => path.startsWith("api/events"))?.last, String(revisions().at(-1)));
  await end();
});

test("something in between that keeps events back is noticed", async () => {
  const status = '{"revision":{"memory":9}}';
  const {states, end} = begin({first: 10}, (path) => (path.startsWith("api/events") ? null : new Response(path === "api/status" ? status : "[]")));
  await until(() => states().includes("polling"), "changes are asked for");
  await end();
});

test("changes that are not kept any more are one reset", async () => {
  const {server, told, end} = begin();
  await until(() => server.open.length === 1, "a connection");
  server.last.send(HELLO);
  server.answer = (path) => {
    if (path === "api/status") return new Response('{"revision":{"memory":99}}');
    const since = Number(/since=(\d+)/.exec(path)?.[1]);
    if (since >= 99) return new Response(`[{"revision":${since + 1},"kind":"change","edits":[]}]`);
    return new Response("{}", {status: path.startsWith("api/changes") ? 410 : 503});
  };
  await until(() => told.some(({event}) => event === "hello"), "hello");
  server.last.end();
  await until(() => told.some(({event, data}) => event === "change" && data.revision === 100), "the next change");
  assert.equal(told.filter(({event}) => event === "reset").length, 1);
  await end();
});

test("a server that has less than was told before is one reset", async () => {
  const {server, told, revisions, end} = begin();
  await until(() => server.open.length === 1, "a connection");
  server.last.send(HELLO + change(6));
  await until(() => revisions().length === 1, "the change");
  server.answer = (path) => {
    if (path === "api/status") return new Response('{"revision":{"memory":4}}');
    if (path.startsWith("api/changes?since=4&")) return new Response('[{"revision":5,"kind":"change","edits":[]}]');
    return new Response("[]", {status: path.startsWith("api/events") ? 503 : 200});
  };
  server.last.end();
  await until(() => revisions().length > 1, "the next change");
  assert.deepEqual(revisions(), [6, 5]);
  assert.deepEqual(told.filter(({event}) => event === "reset").map(({data}) => data.revision), [4]);
  await end();
});

test("a tab that comes later is told who is there, and how far it is", async () => {
  const server = new Server();
  let told = 0;
  const shared = new SharedStream({base: "http://server/", client: "tab"}, () => (told += 1));
  assert.deepEqual(shared.catchUp(), []);
  await until(() => server.open.length === 1, "a connection");
  const present = (/** @type {string} */ client, gone = false) => `event: presence\ndata: {"client":"${client}","user":"ben","image_id":3,"editing":false,"since":1${gone ? ',"gone":true' : ""}}\n\n`;
  server.last.send(HELLO + change(6) + present("b") + present("c") + present("b", true));
  await until(() => told === 6, "all of it");
  const [state, hello] = shared.catchUp();
  assert.equal(state.data.state, "following");
  assert.equal(hello.data.revision, 6);
  assert.deepEqual(hello.data.present.map((/** @type {{client: string}} */ {client}) => client), ["c"]);
  shared.stream.end();
});
