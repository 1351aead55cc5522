// The area around the canvas: over the picture stands what is to be known while it can't be used, or not as one expects.

import {el, oncePerFrame, setText} from "./dom.js";
import {emptyState, notice} from "./states.js";
import {plural} from "./words.js";

/** @import {Session} from "../types.js" */
/** @import {Work} from "../state/work.js" */

/**
 * What the canvas found about the picture's file.
 * @typedef {{ok: boolean, width: number, height: number, turned?: boolean, error?: string | null}} Picture
 */

/**
 * @typedef {object} Parts
 * @property {Session} session
 * @property {Work} work
 * @property {() => unknown} toImages
 * @property {() => unknown} showBroken shows the annotations that can't be drawn
 */

export class CanvasArea {
  /** @type {Picture | null} */
  #picture = null;
  #painted = false;

  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
    this.canvas = el("div", {
      class: "canvas",
      tabindex: "0",
      role: "application",
      "aria-label": "Picture with its annotations. The list beside it has them too.",
    });
    this.progress = el("div", {class: "progress", role: "progressbar", "aria-label": "Loading the image", hidden: true});
    this.notices = el("div", {class: "notices"});
    this.full = el("div", {hidden: true});
    this.hint = el("p", {class: "hint", hidden: true});
    this.blank = el("div", {class: "blank", "aria-hidden": "true", hidden: true});
    this.element = el("div", {class: "canvas-area"}, this.canvas, this.blank, this.notices, this.hint, this.full, this.progress);
    this.refresh = oncePerFrame(() => this.#show());
    for (const event of /** @type {const} */ (["state", "visibility", "differences", "selection"])) parts.session.on(event, this.refresh);
    parts.work.on("change", this.refresh);
    parts.session.on("state", (state) => state === "loading" && this.begin());
  }

  /** Another image is on its way. */
  begin() {
    this.#picture = null;
    this.#painted = false;
    this.refresh();
  }

  /** Picture and shapes are on the screen. */
  painted() {
    this.#painted = true;
    this.refresh();
  }

  /** @param {Picture} picture */
  tellPicture(picture) {
    this.#picture = picture;
    this.refresh();
  }

  /**
   * @param {string} text
   * @param {boolean} needed even where there is little room
   */
  setHint(text, needed) {
    setText(this.hint, text);
    this.hint.classList.toggle("needed", needed);
    this.hint.hidden = text === "";
  }

  #show() {
    const {session} = this.parts;
    this.progress.hidden = !(session.state === "loading" || (session.state === "ready" && !this.#painted));
    this.canvas.setAttribute("aria-busy", String(!this.progress.hidden));
    this.blank.hidden = session.state !== "loading" || session.error !== null;
    this.#showFull();
    this.#showNotices();
  }

  #showFull() {
    const {session, toImages} = this.parts;
    const kind =
      session.state === "missing" ? `missing ${session.error}` : session.state === "loading" && session.error ? `away ${session.error}` : "";
    this.full.hidden = kind === "";
    if (this.full.dataset.kind === kind) return;
    this.full.dataset.kind = kind;
    const back = {text: "All images", primary: true, run: toImages};
    const again = {text: "Try again", run: () => session.reopen()};
    if (session.state === "missing")
      this.full.replaceChildren(
        emptyState("picture", session.error ?? "This image is not in the dataset", "Somebody may have deleted it, or the address is wrong.", [back]),
      );
    else if (kind) this.full.replaceChildren(emptyState("away", "The image can't be loaded", session.error ?? "", [again, back]));
    else this.full.replaceChildren();
  }

  #showNotices() {
    const wanted = this.#wanted();
    const text = JSON.stringify(wanted.map(({icon, words}) => [icon, words]));
    if (this.notices.dataset.shown === text) return;
    this.notices.dataset.shown = text;
    this.notices.replaceChildren(...wanted.map(({icon, words, warn, actions}) => notice(icon, words, {warn, actions})));
  }

  #wanted() {
    const {session, work, showBroken} = this.parts;
    /** @type {{icon: string, words: string, warn?: boolean, actions?: {text: string, run: () => unknown}[]}[]} */
    const wanted = [];
    if (session.state !== "ready" && session.state !== "away") return wanted;
    if (session.state === "away")
      wanted.push({icon: "away", warn: true, words: "The server does not answer. Go on: your changes wait here, and are sent when it is back."});
    const {status, comment} = work;
    if (status === "returned" && comment) wanted.push({icon: "send-back", words: `Sent back: ${comment}`});
    const picture = this.#pictureWords();
    if (picture) wanted.push({icon: "picture", warn: true, words: picture});
    const broken = [...session.entries.values()].filter((entry) => entry.broken !== null).length;
    if (broken)
      wanted.push({
        icon: "warning",
        warn: true,
        words: `${plural(broken, "annotation")} can't be drawn.`,
        actions: [{text: broken === 1 ? "Show it" : "Show them", run: showBroken}],
      });
    const hidden = this.#hiddenWords();
    if (hidden) wanted.push({icon: "eye-off", words: hidden, actions: [{text: "Show all", run: () => session.visibility.showAll()}]});
    return wanted;
  }

  #pictureWords() {
    const {image} = this.parts.session;
    const picture = this.#picture;
    if (!picture || !image) return null;
    if (!picture.ok)
      return `The picture can't be shown: ${(picture.error ?? "it is missing or damaged").replace(/\.$/, "")}. Shapes can still be seen and drawn.`;
    if (picture.turned)
      return `The picture is turned by its camera's mark: it is ${picture.width} × ${picture.height}, the dataset says ${image.width} × ${image.height}. Shapes may lie elsewhere.`;
    if (picture.width !== image.width || picture.height !== image.height)
      return `The picture is ${picture.width} × ${picture.height}, the dataset says ${image.width} × ${image.height}. It is shown as it is, not stretched.`;
    return null;
  }

  #hiddenWords() {
    const {session} = this.parts;
    const {visibility} = session;
    const hidden = [...session.entries.values()].filter((entry) => entry.broken === null && !session.isVisible(entry)).length;
    if (visibility.allHidden) return "All shapes are hidden, new ones too.";
    if (visibility.onlySelected) return hidden ? `Only what is selected is shown: ${plural(hidden, "annotation")} hidden.` : null;
    return hidden ? `${plural(hidden, "annotation")} hidden.` : null;
  }
}
