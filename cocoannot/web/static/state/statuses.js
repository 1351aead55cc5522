// How far people are with an image: what each status is called. The server keeps it in the image's record.

/** @import {ImageRecord, ImageStatus} from "../types.js" */

/** @type {readonly ImageStatus[]} In the order in which an image gets them. */
export const STATUSES = ["open", "done", "empty", "skipped", "returned", "approved"];

/** @type {Readonly<Record<ImageStatus, {title: string, icon: string}>>} */
export const WORDS = {
  open: {title: "Open", icon: "open"},
  done: {title: "Done", icon: "check"},
  empty: {title: "Empty", icon: "empty"},
  skipped: {title: "Skipped", icon: "skip"},
  returned: {title: "Sent back", icon: "send-back"},
  approved: {title: "Approved", icon: "approve"},
};

/** What nobody has to annotate any more. @type {readonly ImageStatus[]} */
export const FINISHED = ["done", "empty", "skipped", "approved"];

/**
 * A file may hold anything there: what is no status counts as open.
 * @param {ImageRecord | null} image
 * @returns {ImageStatus}
 */
export function statusOf(image) {
  const found = /** @type {ImageStatus | undefined} */ (image?.annotation_status);
  return found && STATUSES.includes(found) ? found : "open";
}
