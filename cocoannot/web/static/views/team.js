// What others do, brought to the parts of the page: their changes, where they are, and what oneself may do.

import {onForbidden, onLogin} from "../net/api.js";
import {byId, setText} from "./dom.js";
import {askToLogIn} from "./login.js";
import {plural} from "./words.js";

/** @import {Categories, ImageList, Queue, SaveState, Session} from "../types.js" */
/** @import {Events} from "../net/events.js" */
/** @import {Following} from "../state/following.js" */
/** @import {Me} from "../state/me.js" */
/** @import {Presence} from "../state/presence.js" */
/** @import {Progress} from "../state/progress.js" */
/** @import {Work} from "../state/work.js" */
/** @import {CommandButtons} from "./command_button.js" */
/** @import {Gallery} from "./gallery.js" */

/** What others changed is read aloud once in so many milliseconds: they may change much. */
const QUIET = 10_000;

/**
 * @typedef {{events: Events, following: Following, me: Me, presence: Presence, queue: Queue, session: Session, imageList: ImageList,
 *   categories: Categories, saveState: SaveState, work: Work, progress: Progress, gallery: Gallery, buttons: CommandButtons, readAgain: () => unknown}} Parts
 */

/** @param {Parts} parts */
export function joinTeam(parts) {
  logIn(parts);
  follow(parts);
  hide(parts);
  announce(parts);
}

/** @param {Parts} parts */
function logIn({events, following, me, queue, session, buttons}) {
  onLogin(async (error) => {
    await askToLogIn(error, {queue, me});
    events.restart();
    void me.loadQuietly();
  });
  // What one may do is other than what the page knows.
  onForbidden(() => void me.loadQuietly());
  following.on("out", () => void me.loadQuietly());
  me.on("change", () => {
    buttons.refresh();
    session.emit("state", session.state);
  });
}

/** @param {Parts} parts */
function follow({events, following, me, session, imageList, saveState, work, progress, gallery, readAgain}) {
  following.on("change", (change) => {
    session.heard(change);
    imageList.heard(change);
    gallery.heard(change);
    work.heard(change);
    progress.heard(change);
  });
  following.on("hello", (revision) => {
    gallery.toldFrom(revision);
    progress.toldFrom(revision);
  });
  following.on("reset", readAgain);
  following.on("saved", () => void saveState.poll());
  for (const event of /** @type {const} */ (["back", "away"])) {
    following.on(event, () => {
      saveState.isTold = following.isLive;
      void saveState.poll();
    });
  }
  // It may be another server, with other users.
  following.on("back", () => void me.loadQuietly());
  saveState.on("reachable", (reachable) => reachable && events.wake());
}

/** A page that nobody sees costs next to nothing. @param {Parts} parts */
function hide({events, following, presence}) {
  const tell = () => {
    following.setHidden(document.hidden);
    presence.setHidden(document.hidden);
  };
  document.addEventListener("visibilitychange", tell);
  window.addEventListener("pagehide", () => presence.leave());
  window.addEventListener("online", () => events.wake());
  if (document.hidden) tell();
}

/** @param {Parts} parts */
function announce({session}) {
  let last = -QUIET;
  session.on("others", ({count, user}) => {
    if (performance.now() - last < QUIET) return;
    last = performance.now();
    setText(byId("announcements"), `${user ?? "Somebody else"} changed ${plural(count, "annotation")} of this image`);
  });
}
