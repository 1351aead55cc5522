// Which changes were told of, by their revisions: an image that none of them touches needs not be read again, and where one does, it
// is known whose it was. It asks nobody.

/** @import {Author, ToldChange} from "../types.js" */

const MOST = 2000;

export class Heard {
  /** @type {Map<number, ToldChange>} */
  #changes = new Map();

  /** @param {ToldChange} change */
  add(change) {
    this.#changes.set(change.revision, change);
    if (this.#changes.size > MOST) this.#changes.delete(this.#changes.keys().next().value ?? 0);
  }

  /** Revisions mean something else from now on. */
  clear() {
    this.#changes.clear();
  }

  /**
   * An image is known as it was at `revision`: the newest one, at which it is still the same.
   * @param {number} imageId
   * @param {number} revision
   * @param {ReadonlySet<number>} own Changes whose outcome is known.
   */
  advance(imageId, revision, own) {
    let newest = revision;
    for (;;) {
      const change = this.#changes.get(newest + 1);
      if (!own.has(newest + 1) && (!change || touches(change, imageId))) return newest;
      newest += 1;
    }
  }

  /**
   * Who changed an annotation last, after `since`; `null` where that was not told.
   * @param {number} annotationId
   * @param {number} imageId
   * @param {number} since
   * @returns {Author | null}
   */
  authorOf(annotationId, imageId, since) {
    for (const change of [...this.#changes.values()].reverse()) {
      if (change.revision <= since) continue;
      const isIt = change.edits.some(({section, id}) => section === "annotations" && id === annotationId);
      if (isIt || (change.more && touches(change, imageId))) return {user: change.user, at: millisecondsOf(change.time)};
    }
    return null;
  }
}

/**
 * Whether an image or its annotations may be others after a change.
 * @param {ToldChange} change
 * @param {number} imageId
 */
export function touches({edits, more}, imageId) {
  return Boolean(more) || edits.some((edit) => edit.section !== "categories" && (edit.image_id === imageId || edit.from_image_id === imageId));
}

/**
 * Since 1970.
 * @param {number | string | null} time In seconds since then, or as ISO 8601 has it.
 */
export const millisecondsOf = (time) => (typeof time === "number" ? time * 1000 : Date.parse(time ?? ""));
