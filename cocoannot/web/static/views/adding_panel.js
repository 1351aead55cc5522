// How far pictures are that are added, and which were refused and why. Nothing is sent here.

import {el, setText} from "./dom.js";
import {plural} from "./words.js";

/** @import {Uploads} from "../state/uploads.js" */

/** Refused ones that are listed; there may be thousands. */
const MOST_LISTED = 200;

export class AddingPanel {
  #words = el("span", {class: "text"});
  #bar = el("progress", {"aria-label": "Pictures that are added"});
  #listed = el("ul", {});
  #summary = el("summary", {});

  /** @param {{uploads: Uploads, stop: () => unknown, focusElsewhere: () => unknown}} parts */
  constructor({uploads, stop, focusElsewhere}) {
    this.uploads = uploads;
    this.focusElsewhere = focusElsewhere;
    this.stop = el("button", {type: "button", class: "quiet", onclick: stop}, "Stop");
    this.close = el("button", {type: "button", class: "quiet", onclick: () => uploads.clear()}, "Close");
    this.details = el("details", {}, this.#summary, this.#listed);
    this.element = el(
      "section",
      {class: "adding", "aria-label": "Adding pictures"},
      el("div", {class: "adding-line"}, this.#words, this.#bar, this.stop, this.close),
      this.details,
    );
    uploads.on("change", () => this.#show());
    this.#show();
  }

  #show() {
    const {total, added, done, pending, refused, reason} = this.uploads;
    const hadFocus = this.element.contains(document.activeElement);
    this.element.hidden = total === 0 && !refused.length;
    this.stop.hidden = !pending;
    this.close.hidden = pending > 0;
    if (hadFocus) this.#keepFocus();
    this.#bar.hidden = !pending;
    this.#bar.max = Math.max(1, total);
    this.#bar.value = done;
    const so = pending ? `${added.toLocaleString("en")} of ${plural(total, "picture")} added` : `${plural(added, "picture")} added`;
    const why = pending && reason ? `. ${reason}; it goes on as soon as that is over` : "";
    setText(this.#words, `${so}${refused.length ? `, ${refused.length.toLocaleString("en")} refused` : ""}${why}`);
    this.element.classList.toggle("warn", Boolean(refused.length || why));
    this.#showRefused(refused);
  }

  /** The button that had the focus may be gone. */
  #keepFocus() {
    if (document.activeElement?.checkVisibility()) return;
    if (this.element.hidden) this.focusElsewhere();
    else (this.close.hidden ? this.stop : this.close).focus();
  }

  /** @param {{name: string, reason: string}[]} refused */
  #showRefused(refused) {
    this.details.hidden = !refused.length;
    const more = refused.length > MOST_LISTED ? `, of which these are the first ${MOST_LISTED}` : "";
    setText(this.#summary, `${plural(refused.length, "file")} refused${more}`);
    if (refused.length < this.#listed.children.length) this.#listed.replaceChildren();
    for (const {name, reason} of refused.slice(this.#listed.children.length, MOST_LISTED)) this.#listed.append(el("li", {}, el("b", {}, name), `: ${reason}`));
  }
}
