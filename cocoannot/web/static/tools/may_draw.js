// Whether a tool may begin to change something now. That a change belongs to the picture shown is the session's business.

/** @import {ToolContext} from "../types.js" */

/**
 * Where it may not, it says why.
 * @param {Pick<ToolContext, "session" | "view">} context
 */
export function mayDraw({session, view}) {
  if (session.canEdit()) return true;
  if (session.isThere) view.say(`To draw ${session.lacks}`);
  else view.say(session.state === "missing" ? "There is no image to draw on" : "The image is still loading: draw when it is there");
  return false;
}
