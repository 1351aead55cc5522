// Changes that follow the pointer: shown while it is down, kept when it is let go, gone without a trace where it is given
// up. A drag begins with `begin`; entries are held meanwhile, so that no answer replaces what is under the hand.

import {frameOf} from "../geometry/placing.js";
import {between} from "../shapes/box.js";
import {together} from "../shapes/group.js";
import {flaw, moved, reshaped} from "../shapes/registry.js";
import {within} from "./aim.js";

/** @import {Entry, Key, Point, ToolContext} from "../types.js" */
/** @import {Changes, Handle} from "../shapes/types.js" */

/**
 * @typedef {object} Drag
 * @property {(by: Point) => void} follow Takes how far the pointer is from where it was pressed, in pixels.
 * @property {() => void} keep
 * @property {() => void} giveUp
 */

/**
 * Shows and keeps changes of entries.
 * @param {ToolContext} context
 * @param {Entry[]} entries
 * @param {(entry: Entry, by: Point) => Changes} change
 * @param {(entry: Entry, changes: Changes) => string | null} [refusal] Why it can't be kept.
 * @returns {Drag}
 */
function changing({session, view}, entries, change, refusal = () => null) {
  const image = session.id;
  /** @type {[Key, Changes][]} */
  let last = [];
  for (const {key} of entries) session.hold(key);
  const end = () => {
    for (const {key} of entries) {
      view.preview(key, null);
      session.release(key);
    }
  };
  return {
    follow(by) {
      last = entries.map((entry) => [entry.key, change(entry, by)]);
      entries.forEach((entry, i) => view.preview(entry.key, {...entry.annotation, ...last[i][1]}));
    },
    keep() {
      const why = entries.map((entry, i) => (last[i] ? refusal(entry, last[i][1]) : null)).find((each) => each);
      const changed = last.filter(([, changes], i) => !isSame(entries[i].annotation, changes));
      if (why) view.say(why);
      else if (changed.length && session.id === image) session.updateMany(changed);
      end();
    },
    giveUp: end,
  };
}

/**
 * Whether the changes change nothing.
 * @param {Entry["annotation"]} annotation
 * @param {Changes} changes
 */
const isSame = (annotation, changes) =>
  Object.entries(changes).every(([name, value]) => JSON.stringify(value) === JSON.stringify(/** @type {Record<string, unknown>} */ ({...annotation})[name]));

/**
 * Moves shapes, all by the same, as far as the picture lets all of them.
 * @param {ToolContext} context
 * @param {Entry[]} entries
 */
export const moving = (context, entries) => {
  const annotations = entries.map(({annotation}) => annotation);
  const frame = frameOf(context.session.image);
  return changing(context, entries, (entry, by) => moved(entry.annotation, ...together(annotations, by, frame), frame));
};

/**
 * Drags a handle.
 * @param {ToolContext} context
 * @param {Entry} entry
 * @param {Handle} handle
 */
export const reshaping = (context, entry, handle) =>
  changing(
    context, [entry],
    (_, [dx, dy]) => reshaped(entry.annotation, handle, [handle.at[0] + dx, handle.at[1] + dy], frameOf(context.session.image)),
    (_, changes) => flaw(changes, entry.annotation),
  );

/**
 * Selects what lies wholly in the box that is drawn, beside what is selected.
 * @param {ToolContext} context
 * @param {Point} start
 * @returns {Drag}
 */
export function selecting({session, view}, start) {
  /** @type {[number, number, number, number] | null} */
  let box = null;
  return {
    follow([dx, dy]) {
      box = between(start, [start[0] + dx, start[1] + dy]);
      view.draft({paths: [], handles: [], box});
    },
    keep() {
      view.draft(null);
      if (box) session.select(within(session, box).map(({key}) => key), "add");
    },
    giveUp: () => view.draft(null),
  };
}
