// The state of the open image in the editor's bar: what it is, and a panel with all that can be made of it.

import {WORDS} from "../state/statuses.js";
import {el, setAttribute, setText} from "./dom.js";
import {icon} from "./icons.js";

/** @import {Session} from "../types.js" */
/** @import {Work} from "../state/work.js" */
/** @import {CommandButtons} from "./command_button.js" */

const DO = {"work.done": "Done", "work.empty": "Empty", "work.skip": "Skip", "work.open": "Open again"};
/** Of the panel, in pixels. */
const WIDTH = 260;
const REVIEW = {"work.approve": "Approve", "work.return": "Send back"};

/**
 * @param {{work: Work, session: Session, buttons: CommandButtons, toCanvas: () => unknown}} parts
 */
export function makeWorkState({work, session, buttons, toCanvas}) {
  const words = el("span", {class: "text"});
  const mark = el("span", {class: "status-mark"});
  const button = el(
    "button",
    {type: "button", class: "quiet work-state", id: "work-button", popovertarget: "work", "aria-haspopup": "dialog"},
    mark,
    words,
    icon("down"),
  );
  const comment = el("p", {class: "work-comment"});
  const panel = el(
    "div",
    {class: "popover work-panel", popover: "auto", role: "dialog", "aria-label": "State of the image", id: "work"},
    comment,
    el("div", {class: "work-acts"}, ...acts(buttons, DO)),
    el("hr"),
    el("div", {class: "work-acts"}, ...acts(buttons, REVIEW)),
  );
  const done = buttons.make("work.done", {iconName: "check", className: "work-done"});
  const show = () => {
    const {title, icon: name} = WORDS[work.status];
    button.hidden = done.hidden = !session.isThere;
    setText(words, title);
    setAttribute(button, "title", `State of the image: ${title}${work.isPending ? ", on its way to the server" : ""}`);
    setAttribute(button, "aria-label", `${title}: state of the image`);
    if (mark.dataset.status !== work.status) mark.replaceChildren(icon(name));
    mark.dataset.status = work.status;
    setAttribute(button, "aria-busy", String(work.isPending));
    comment.hidden = !work.comment;
    setText(comment, work.comment ?? "");
  };
  work.on("change", show);
  panel.style.width = `${WIDTH}px`;
  panel.addEventListener("beforetoggle", (event) => /** @type {ToggleEvent} */ (event).newState === "open" && place(panel, button));
  // Esc closes it, and nothing else.
  panel.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
  panel.addEventListener("click", (event) => {
    if (!(event.target instanceof Element && event.target.closest("button"))) return;
    panel.hidePopover();
    // Who clicks goes on with the picture: Space is not to open this again.
    if (event.detail) toCanvas();
  });
  show();
  return {element: el("div", {class: "group work", role: "group", "aria-label": "State of this image"}, button, done), panel};
}

/**
 * @param {CommandButtons} buttons
 * @param {Record<string, string>} texts of the buttons, by command
 */
const acts = (buttons, texts) => Object.entries(texts).map(([id, text]) => buttons.make(id, {text, key: true}));

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} button
 */
function place(panel, button) {
  const {bottom, right} = button.getBoundingClientRect();
  panel.style.top = `${bottom + 6}px`;
  const {clientWidth} = document.documentElement;
  panel.style.right = `${Math.max(8, Math.min(clientWidth - right, clientWidth - WIDTH - 8))}px`;
}
