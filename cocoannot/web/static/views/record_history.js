// Who changed a record, when, and which of its fields; read from the server when somebody opens it, and again when it has changed.

import {get, messageOf} from "../net/api.js";
import {millisecondsOf} from "../state/heard.js";
import {nameOfPerson} from "../state/people.js";
import {el, setText} from "./dom.js";
import {ago} from "./words.js";

/** @import {Annotation, Entry, Version} from "../types.js" */

/** So many are shown, the newest first. */
const MOST = 50;

export class RecordHistory {
  /** @type {Entry | null} */
  #entry = null;
  /** What was asked for last. */
  #asked = "";

  constructor() {
    this.list = el("ol", {class: "versions-list"});
    this.words = el("p", {class: "dim"});
    this.element = el("details", {class: "history", ontoggle: () => void this.#load()}, el("summary", {}, "History"), this.words, this.list);
  }

  /** @param {Entry} entry */
  show(entry) {
    this.#entry = entry;
    void this.#load();
  }

  async #load() {
    const {id = null, etag = null, pending = false} = this.#entry ?? {};
    const wanted = `${id} ${etag}`;
    if (!this.element.open || pending || wanted === this.#asked) return;
    this.#asked = wanted;
    if (id === null) return this.#show([], "It is not saved yet.");
    try {
      const {body} = await get(`api/annotations/${id}/history`);
      if (wanted === this.#asked) this.#show(body, body.length ? "" : "Nothing is known of it.");
    } catch (error) {
      if (wanted !== this.#asked) return;
      this.#asked = "";
      this.#show([], messageOf(error));
    }
  }

  /**
   * @param {Version[]} versions the newest last
   * @param {string} words
   */
  #show(versions, words) {
    const rows = versions.map((version, i) => row(version, versions[i - 1]));
    this.list.replaceChildren(...rows.reverse().slice(0, MOST));
    setText(this.words, versions.length > MOST ? `The latest ${MOST} of ${versions.length} versions` : words);
  }
}

/**
 * @param {Version} version
 * @param {Version | undefined} before
 */
function row({revision, time, user, record}, before) {
  if (revision === null) return el("li", {}, el("span", {class: "who"}, "In the file"), el("span", {class: "dim"}, "as it was read"));
  const at = millisecondsOf(time);
  return el(
    "li",
    {},
    el("span", {class: "who"}, nameOfPerson(user)),
    el("time", {class: "dim", title: `${new Date(at).toLocaleString("en-GB")}, revision ${revision}`}, ago(at, Date.now())),
    el("span", {class: "what"}, whatChanged(record, before?.record ?? null)),
  );
}

/**
 * @param {Annotation | null} record
 * @param {Annotation | null} before
 */
export function whatChanged(record, before) {
  if (!record) return "deleted it";
  if (!before) return "added it";
  const [now, then] = /** @type {Record<string, unknown>[]} */ (/** @type {unknown} */ ([record, before]));
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])].filter((name) => JSON.stringify(now[name]) !== JSON.stringify(then[name]));
  return names.length ? `changed ${names.join(", ")}` : "changed nothing that is seen";
}
