// Two people have changed one annotation: asks which version shall hold, one question after another.

import {get} from "../net/api.js";
import {colour} from "../state/colours.js";
import {millisecondsOf} from "../state/heard.js";
import {askAboutVersions} from "./versions_dialog.js";

/** @import {Author, Categories, Conflict, Session} from "../types.js" */

/** @param {{session: Session, categories: Categories}} parts */
export function settleConflicts({session, categories}) {
  let asking = Promise.resolve();

  /** @param {Conflict} conflict */
  const settle = async ({mine, theirs, before, author: told, resolve}) => {
    const author = (await authorOf(before.id)) ?? told;
    const names = {
      nameOf: (/** @type {number | null | undefined} */ id) => categories.nameOf(id),
      colourOf: (/** @type {Conflict["before"]} */ annotation) => colour(annotation.category_id),
      picture: await pictureOf(before.image_id),
    };
    const choice = await askAboutVersions({mine, theirs, before, author}, names);
    // Where the question was closed, nothing of theirs is overwritten.
    resolve(choice ?? "theirs");
  };

  session.on("conflict", (conflict) => (asking = asking.then(() => settle(conflict))));
}

/**
 * Who changed an annotation last, and when, by the history that the server keeps.
 * @param {number} id
 * @returns {Promise<Author | null>}
 */
async function authorOf(id) {
  const versions = await get(`api/annotations/${id}/history`).catch(() => null);
  const last = versions?.body.at(-1);
  return last?.revision ? {user: last.user, at: millisecondsOf(last.time)} : null;
}

/** @param {number} id */
async function pictureOf(id) {
  const picture = new Image();
  picture.src = `api/images/${id}/file`;
  return picture.decode().then(
    () => picture,
    () => null,
  );
}
