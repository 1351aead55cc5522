// What can be made of an image when one has finished it, and going to the next one to do: commands, with what they tell people.

import {isForNow, messageOf} from "../net/api.js";
import {arrived, imageAddress} from "../state/router.js";
import {prompt} from "./dialogs.js";
import {toast} from "./toasts.js";
import {plural} from "./words.js";

/** @import {Commands, ImageStatus, Session} from "../types.js" */
/** @import {Me} from "../state/me.js" */
/** @import {Task, Work} from "../state/work.js" */

const NONE_LEFT = {
  annotate: "No image is left to do: all are finished, or others have them.",
  review: "No image is left to review, but for your own.",
};

/**
 * `query` gives the filters of the list that is gone through; `busy` whether something is being drawn.
 * @typedef {{session: Session, commands: Commands, me: Me, work: Work, query: () => URLSearchParams, busy: () => boolean}} Parts
 */

/** @param {Parts} parts */
export function addWorkCommands(parts) {
  const {session, commands, me, work} = parts;
  const lacks = {annotate: () => me.lacks("annotator"), review: () => me.lacks("reviewer")};
  /** @type {(task: Task) => () => boolean} */
  const can = (task) => () => session.isThere && lacks[task]() === null && !parts.busy();
  const ends = (/** @type {Task} */ task, /** @type {ImageStatus} */ status) => () => finish(parts, task, status);
  const group = "State of the image";
  const make = (/** @type {Task} */ task) => ({scope: /** @type {const} */ ("editor"), group, when: can(task), lacks: lacks[task]});
  commands.add({...make("annotate"), id: "work.done", title: "Done; on to the next open image", keys: ["Space"], icon: "check", run: ends("annotate", "done")});
  commands.add({...make("annotate"), id: "work.empty", title: "Empty, there is nothing on it; on to the next open image", keys: ["e"], icon: "empty", run: () => finishEmpty(parts)});
  commands.add({...make("annotate"), id: "work.skip", title: "Skip it; on to the next open image", keys: ["Shift+e"], icon: "skip", run: ends("annotate", "skipped")});
  commands.add({...make("annotate"), id: "work.open", title: "Open again", keys: [], icon: "open", run: () => work.status !== "open" && work.set("open")});
  commands.add({...make("review"), id: "work.approve", title: "Approve; on to the next image to review", keys: ["Shift+Space"], icon: "approve", run: ends("review", "approved")});
  commands.add({...make("review"), id: "work.return", title: "Send back, and say why; on to the next image to review", keys: ["Shift+x"], icon: "send-back", run: () => sendBack(parts)});
  const whole = (/** @type {Task} */ task) => ({scope: /** @type {const} */ ("everywhere"), group, when: () => lacks[task]() === null && !parts.busy(), lacks: lacks[task]});
  commands.add({...whole("annotate"), id: "work.next", title: "Go to the next image to do", keys: ["Shift+f"], icon: "to-do", run: () => goOn(parts, "annotate")});
  commands.add({...whole("review"), id: "work.review", title: "Go to the next image to review", keys: ["Shift+v"], icon: "review", run: () => goOn(parts, "review")});
  work.on("refused", (message) => toast(`The image stays as it was: ${message}`, {error: true}));
}

/**
 * @param {Parts} parts
 * @param {Task} task
 * @param {ImageStatus} status
 * @param {string | null} [comment]
 */
async function finish(parts, task, status, comment = null) {
  const {id} = parts.session;
  const isTaken = await parts.work.set(status, comment);
  // While the server was away, the user may have gone elsewhere.
  if (isTaken && parts.session.id === id && !parts.busy()) await goOn(parts, task);
}

/** @param {Parts} parts */
function finishEmpty(parts) {
  const {size} = parts.session.entries;
  if (size) return toast(`Not marked as empty: there ${size === 1 ? "is" : "are"} ${plural(size, "annotation")} on it. Delete what is wrong, or mark it as done.`);
  return finish(parts, "annotate", "empty");
}

/** @param {Parts} parts */
async function sendBack(parts) {
  const {id} = parts.session;
  const why = await prompt("Send this image back", {label: "What is to be done", action: "Send back", value: parts.work.comment ?? ""});
  if (why !== null && parts.session.id === id) await finish(parts, "review", "returned", why);
}

/**
 * @param {Parts} parts
 * @param {Task} task
 */
async function goOn({work, session, query}, task) {
  const from = session.id;
  try {
    const id = await work.next(task, query());
    if (session.id !== from) return;
    if (id === null) toast(NONE_LEFT[task]);
    else if (id === from) toast("This image is the next one.");
    else await arrived(imageAddress(id, query()));
  } catch (error) {
    toast(isForNow(error) ? `Which image is next is not known: ${messageOf(error)}.` : messageOf(error), {error: true});
  }
}
