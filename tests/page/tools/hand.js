// A hand on a tool: presses, drags, clicks and keys in the picture's pixels, on the real session of image 1 (100 x 80) with a
// server of its own. A pixel of the picture is one on the screen.

import {parse} from "../../../cocoannot/web/static/net/json.js";
import {fault} from "../../../cocoannot/web/static/shapes/registry.js";
import {Categories} from "../../../cocoannot/web/static/state/categories.js";
import {Changes} from "../../../cocoannot/web/static/state/changes.js";
import {Preferences} from "../../../cocoannot/web/static/state/preferences.js";
import {Queue} from "../../../cocoannot/web/static/state/queue.js";
import {Session} from "../../../cocoannot/web/static/state/session.js";
import {tools} from "../../../cocoannot/web/static/tools/index.js";
import {FakeServer} from "../fake_server.js";
import {until} from "../until.js";

/** @import {Annotation, Draft, Key, PointerInput, Tool} from "../../../cocoannot/web/static/types.js" */
/** @import {PanningTool} from "../../../cocoannot/web/static/tools/types.js" */
/** @typedef {Partial<PointerInput>} How */

const THRESHOLD = 4;
const PERSON = {id: 3, name: "person", keypoints: ["head", "hand", "foot"], skeleton: [[1, 2], [1, 3]]};

export class Hand {
  /** @type {Draft | null} */
  draft = null;
  /** @type {Map<Key, Annotation>} */
  previews = new Map();
  /** @type {string[]} */
  said = [];
  done = 0;
  /** @type {Tool} */
  tool;
  mayEdit = true;

  /**
   * @param {FakeServer} server
   * @param {Queue} queue
   * @param {Session} session
   * @param {Categories} categories
   */
  constructor(server, queue, session, categories) {
    this.server = server;
    this.queue = queue;
    this.session = session;
    /** @type {import("../../../cocoannot/web/static/types.js").ToolView} */
    this.view = {
      draft: (draft) => (this.draft = draft),
      preview: (key, annotation) => (annotation ? this.previews.set(key, annotation) : this.previews.delete(key)),
      say: (message) => this.said.push(message),
      crosshair: () => {},
      done: () => (this.done += 1),
    };
    const preferences = new Preferences(null);
    this.all = new Map(tools.map(({name, make}) => [name, make({session, view: this.view, preferences, categories})]));
    session.on("refused", (message) => this.said.push(message));
    this.tool = this.take("select");
  }

  /** @param {string} name Of a tool. @param {...string} selected Keys. */
  take(name, ...selected) {
    if (selected.length) this.session.select(selected);
    this.tool = /** @type {Tool} */ (this.all.get(name));
    this.session.setTool(name);
    this.tool.activate();
    return this.tool;
  }

  /** @param {PointerInput["kind"]} kind @param {number} x @param {number} y @param {How} [how] */
  point(kind, x, y, how = {}) {
    this.tool.pointer({kind, x, y, button: 0, shift: false, ctrl: false, alt: false, touch: false, reach: 8, dragged: false, scale: 1, ...how});
  }

  /** @param {number} x @param {number} y @param {How} [how] */
  click(x, y, how = {}) {
    this.point("move", x, y, how);
    this.point("down", x, y, how);
    this.point("up", x, y, how);
  }

  /** Two clicks, as browsers tell them. @param {number} x @param {number} y */
  doubleClick(x, y) {
    this.click(x, y);
    this.click(x, y);
    this.point("double", x, y);
  }

  /** Press and pull, without letting go. @param {[number, number]} from @param {[number, number]} to @param {How} [how] */
  pull(from, to, how = {}) {
    this.point("down", ...from, how);
    for (const part of [0.5, 1]) {
      const [x, y] = [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part];
      this.point("move", x, y, {...how, dragged: Math.hypot(x - from[0], y - from[1]) > THRESHOLD});
    }
  }

  /** @param {[number, number]} from @param {[number, number]} to @param {How} [how] */
  drag(from, to, how = {}) {
    this.pull(from, to, how);
    this.point("up", ...to, {...how, dragged: Math.hypot(to[0] - from[0], to[1] - from[1]) > THRESHOLD});
  }

  /** @param {string} key @param {{shift?: boolean}} [how] */
  press(key, {shift = false} = {}) {
    return this.tool.key({key, code: key, shift, ctrl: false, alt: false});
  }

  /** @param {number} x @param {number} y @param {How} [how] */
  pans(x, y, how = {}) {
    return /** @type {PanningTool} */ (this.tool).pans({kind: "down", x, y, button: 0, shift: false, ctrl: false, alt: false, touch: false, reach: 8, dragged: false, scale: 1, ...how});
  }

  /** The records as they are to be seen. */
  get records() {
    return [...this.session.entries.values()].map(({annotation}) => annotation);
  }

  /** @param {Key} key */
  record(key) {
    return /** @type {Annotation} */ (this.session.entries.get(key)?.annotation);
  }

  settled() {
    return until(() => this.queue.pending === 0, "all is answered");
  }

  /** What the server has now. @param {number} id */
  stored(id) {
    return parse(this.server.annotations.get(id) ?? "null");
  }
}

/** With the categories cat (1), dog (2) and person (3), which has three keypoints. @param {...object} records Of image 1, but for those that say otherwise; each has its number as id. */
export async function hand(...records) {
  const server = new FakeServer(...records.map((record, i) => JSON.stringify({id: i + 1, image_id: 1, category_id: 1, iscrowd: 0, ...record})));
  server.categories.push(PERSON);
  const queue = new Queue({shortest: 1, longest: 4});
  const changes = new Changes(queue);
  /** @type {Hand | null} */
  let made = null;
  const session = new Session({changes, fault, lacks: () => (made?.mayEdit ?? true ? null : "needs the role annotator")});
  const categories = new Categories(changes, new Preferences(null));
  await categories.load();
  session.setCategory(1);
  await session.open(1, new URLSearchParams());
  return (made = new Hand(server, queue, session, categories));
}
