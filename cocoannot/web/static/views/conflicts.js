// Two people have changed one annotation: asks which version shall hold, one question after another.

import {colour} from "../state/colours.js";
import {askAboutVersions} from "./versions_dialog.js";

/** @import {Categories, Conflict, Session} from "../types.js" */

/** @param {{session: Session, categories: Categories}} parts */
export function settleConflicts({session, categories}) {
  let asking = Promise.resolve();

  /** @param {Conflict} conflict */
  const settle = async ({mine, theirs, before, resolve}) => {
    const author = [...session.entries.values()].find(({id}) => id === before.id)?.others ?? null;
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

/** @param {number} id */
async function pictureOf(id) {
  const picture = new Image();
  picture.src = `api/images/${id}/file`;
  return picture.decode().then(
    () => picture,
    () => null,
  );
}
