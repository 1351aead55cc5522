// Finding the object in a box that is drawn: the box is shrunk to it, or becomes its outline.

import {serverOutlines} from "../assist/server_outlines.js";
import {messageOf} from "../net/api.js";
import {kindOf} from "../shapes/registry.js";
import {toast} from "./toasts.js";

/** @import {FoundShape} from "../assist/types.js" */
/** @import {Annotation, Commands, Entry, Key, Session} from "../types.js" */

/** After so many milliseconds it is said that the server is at it. */
const LONG = 700;

/**
 * @param {{session: Session, commands: Commands, busy: () => boolean}} parts
 */
export function addOutlineCommands({session, commands, busy}) {
  const boxes = () => boxesOf(session);
  const make = () => ({
    scope: /** @type {const} */ ("editor"),
    group: "Annotations",
    when: () => session.canEdit() && serverOutlines.can.box && !busy() && boxes().length > 0,
    lacks: () => session.lacks ?? serverOutlines.lacksBox(),
  });
  commands.add({
    ...make(), id: "outline.shrink", title: "Shrink the selected box to the object in it", keys: ["Shift+s"], icon: "shrink",
    run: () => replace(session, boxes(), ({bbox}) => ({bbox})),
  });
  commands.add({
    ...make(), id: "outline.box", title: "Outline the object in the selected box", keys: ["Shift+o"], icon: "outline",
    run: () => replace(session, boxes(), ({shape}) => ({segmentation: shape.segmentation})),
  });
  serverOutlines.on("change", () => commands.emit("change"));
}

/** What is selected and is a box alone. @param {Session} session */
const boxesOf = (session) =>
  [...session.selection].flatMap((key) => session.entries.get(key) ?? []).filter((entry) => !entry.broken && kindOf(entry.annotation) === "box" && !session.isLocked(entry));

/**
 * One change, of all boxes in which something was found.
 * @param {Session} session
 * @param {Entry[]} entries
 * @param {(found: FoundShape) => Partial<Annotation>} changesOf
 */
async function replace(session, entries, changesOf) {
  const {id} = session;
  if (id === null) return;
  const timer = setTimeout(() => toast("The server looks for the object..."), LONG);
  /** @type {[Key, Partial<Annotation>][]} */
  const changes = [];
  let nothing = 0;
  try {
    for (const {key, annotation} of entries) {
      const found = await serverOutlines.find(id, {box: annotation.bbox});
      // The user, or somebody else, may have gone on meanwhile.
      if (session.id !== id) return;
      if (!found) nothing += 1;
      else if (JSON.stringify(session.entries.get(key)?.annotation.bbox) === JSON.stringify(annotation.bbox)) changes.push([key, changesOf(found)]);
    }
  } catch (error) {
    return toast(messageOf(error), {error: true});
  } finally {
    clearTimeout(timer);
  }
  session.updateMany(changes);
  const one = entries.length === 1;
  if (nothing) toast(`Nothing stands out in ${one ? "the box" : `${nothing} of the boxes`}: draw it a little larger than the object.`);
  const moved = entries.length - nothing - changes.length;
  if (moved) toast(`${one ? "The box" : `${moved} of the boxes`} was changed meanwhile, and stays as it is.`);
}
