// A menu of what is done less often, so that it can be done without a keyboard, too. What each does is its command's business.

import {el, iconButton} from "./dom.js";

/** @import {CommandButtons} from "./command_button.js" */

/** @type {([id: string, text: string] | null)[]} `null`: a line between. */
const COMMANDS = [
  ["selection.duplicate", "Duplicate"],
  ["selection.copy", "Copy"],
  ["selection.paste", "Paste"],
  ["image.repeat", "Repeat the image before"],
  null,
  ["selection.same-category", "All of this category"],
  ["selection.all", "All annotations"],
  null,
  ["selection.crowd", "Crowd or not"],
  ["selection.lock", "Lock or unlock"],
  ["selection.hide", "Hide or show"],
];

/** Of the menu, in pixels, as the style has it. */
const WIDTH = 290;

/**
 * A button, and what it opens.
 * @param {CommandButtons} buttons
 */
export function makeMore(buttons) {
  const items = COMMANDS.map((each) => (each === null ? el("hr") : buttons.make(each[0], {text: each[1], key: true, className: "item"})));
  const panel = el("div", {class: "popover more", popover: "auto", role: "dialog", "aria-label": "More for annotations", id: "more", onclick: () => panel.hidePopover()}, ...items);
  const button = iconButton("more", "More for annotations", () => {}, {"aria-haspopup": "dialog", popovertarget: "more", class: "more-button"});
  panel.addEventListener("beforetoggle", () => {
    buttons.refresh();
    const {bottom, right} = button.getBoundingClientRect();
    panel.style.top = `${bottom + 6}px`;
    const {clientWidth} = document.documentElement;
    panel.style.right = `${Math.max(8, Math.min(clientWidth - right, clientWidth - WIDTH - 8))}px`;
  });
  // Esc closes it, and nothing else.
  panel.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
  return {button, panel};
}
