// How far the team is, as a bar above the images, whose parts lead to the images they count; and the way to the next one to do.

import {imagesAddress} from "../state/router.js";
import {STATUSES, WORDS} from "../state/statuses.js";
import {el, setAttribute, setText} from "./dom.js";
import {icon} from "./icons.js";

/** @import {Progress} from "../state/progress.js" */
/** @import {CommandButtons} from "./command_button.js" */

/**
 * @param {{progress: Progress, buttons: CommandButtons}} parts
 */
export function makeProgressBar({progress, buttons}) {
  const measure = el("div", {class: "progress-measure", role: "img"});
  const words = el("span", {class: "progress-words", "aria-hidden": "true"});
  const legend = el("ul", {class: "progress-legend", "aria-label": "Images by their state"});
  const element = el(
    "div",
    {class: "team-progress", role: "group", "aria-label": "Progress", hidden: true},
    measure,
    words,
    legend,
    buttons.make("work.next", {text: "Next to do", iconName: "to-do", className: "next-to-do"}),
    buttons.make("work.review", {text: "Next to review", iconName: "review", shown: "apt"}),
  );
  const show = () => {
    const {counts, total, finished} = progress;
    element.hidden = !counts || !total;
    if (!counts || !total) return;
    const there = STATUSES.flatMap((status) => (counts[status] ? [{status, count: counts[status]}] : []));
    setAttribute(measure, "aria-label", `${finished.toLocaleString("en")} of ${total.toLocaleString("en")} images are finished`);
    setText(words, `${finished.toLocaleString("en")} of ${total.toLocaleString("en")} finished`);
    measure.replaceChildren(...there.filter(({status}) => status !== "open").map(({status, count}) => part(status, count / total)));
    legend.replaceChildren(...there.map(({status, count}) => entry(status, count)));
  };
  progress.on("change", show);
  return element;
}

/**
 * @param {string} status
 * @param {number} share of all images
 */
function part(status, share) {
  const drawn = el("span", {"data-status": status});
  drawn.style.width = `${100 * share}%`;
  return drawn;
}

/**
 * @param {import("../types.js").ImageStatus} status
 * @param {number} count
 */
function entry(status, count) {
  const {title, icon: name} = WORDS[status];
  const mark = el("span", {class: "status-mark", "data-status": status}, icon(name));
  return el("li", {}, el("a", {href: imagesAddress({status}), title: `Images with this state: ${title}`}, mark, `${count.toLocaleString("en")} ${title.toLowerCase()}`));
}
