// Who else is there, and on which image; and telling the others where this page is. It is told, not asked for, and fades: a page
// that is hidden says nothing, and the server forgets it.

import {tell} from "../net/api.js";
import {nameOf} from "../net/shared_stream.js";
import {Emitter} from "./emitter.js";

/** @import {Events} from "../net/events.js" */
/** @import {Person, Present} from "../types.js" */
/** @import {Me} from "./me.js" */

/** The server forgets after a minute (milliseconds). */
const AGAIN = 20_000;
/** Somebody who changed nothing for so long only looks. */
const IDLE = 60_000;

/** @extends {Emitter<{change: undefined, moved: Person}>} `moved`: somebody is on another image now. */
export class Presence extends Emitter {
  /** @type {Map<string, Present>} */
  #present = new Map();
  #me;
  #client;
  #imageId = /** @type {number | null} */ (null);
  #editing = false;
  #hidden = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idle;

  /**
   * @param {Pick<Events, "on" | "client">} events
   * @param {Me} me
   */
  constructor(events, me) {
    super();
    this.#me = me;
    this.#client = events.client;
    events.on("hello", ({present = []}) => {
      this.#present = new Map(present.map((each) => [nameOf(each), each]));
      this.emit("change");
      this.#say();
    });
    events.on("presence", (present) => this.#take(present));
    me.on("change", () => this.emit("change"));
  }

  /** @type {Person[]} All others, whoever came first at the head. */
  get people() {
    const {user} = this.#me;
    const others = [...this.#present.values()].filter((each) => each.client !== this.#client && (user === null || each.user !== user));
    /** @type {Map<string, Person>} */
    const people = new Map();
    for (const each of others.sort((one, other) => one.since - other.since)) people.set(each.user ?? nameOf(each), personOf(each));
    return [...people.values()];
  }

  /** @param {number | null} imageId */
  onImage(imageId) {
    return imageId === null ? [] : this.people.filter((person) => person.imageId === imageId);
  }

  /** This page shows an image, or none. @param {number | null} imageId */
  show(imageId) {
    if (imageId === this.#imageId) return;
    this.#imageId = imageId;
    this.#stopEditing();
    this.#say();
  }

  /** Something was changed here. */
  edit() {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.#stopEditing();
      this.#say();
    }, IDLE);
    if (this.#editing) return;
    this.#editing = true;
    this.#say();
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    this.#hidden = hidden;
    this.#say();
  }

  /** The page is closed. Where this does not get through, the server notices that the stream has ended. */
  leave() {
    clearTimeout(this.#timer);
    clearTimeout(this.#idle);
    void this.#send("DELETE", undefined);
  }

  #stopEditing() {
    clearTimeout(this.#idle);
    this.#editing = false;
  }

  /** @param {Present} present */
  #take(present) {
    const name = nameOf(present);
    const before = this.#present.get(name);
    if (present.gone) this.#present.delete(name);
    else this.#present.set(name, present);
    this.emit("change");
    if (present.client === this.#client) {
      // Another tab of this browser has been closed, and took leave for all of them.
      if (present.gone) this.#say();
    } else if (!present.gone && before?.image_id !== present.image_id) this.emit("moved", personOf(present));
  }

  #say() {
    clearTimeout(this.#timer);
    if (this.#hidden) return;
    this.#timer = setTimeout(() => this.#say(), AGAIN);
    void this.#send("PUT", {image_id: this.#imageId, editing: this.#editing});
  }

  /**
   * @param {"PUT" | "DELETE"} method
   * @param {unknown} body
   */
  async #send(method, body) {
    // Nobody is to be troubled with it: the next time it may get through.
    await tell(method, `api/presence/${this.#client}`, body, {keepalive: method === "DELETE"}).catch(() => {});
  }
}

/**
 * @param {Present} present
 * @returns {Person}
 */
const personOf = (present) => ({
  key: nameOf(present), user: present.user, imageId: present.image_id, editing: present.editing, since: present.since,
});
