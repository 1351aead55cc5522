// From one image to the next: the one before stays to be seen, and can't be worked on, until the next can be drawn whole; where
// that takes long, its frame, shapes and thumbnail come first.
//
//   left --record is there--> waiting --picture is decoded, or it takes too long--> open --picture is drawn--> painted

import {frameOf} from "../geometry/placing.js";
import {Emitter} from "../state/emitter.js";
import {find, thumbnail} from "./picture.js";

/** @import {ImageRecord, Session} from "../types.js" */
/** @import {Frame} from "../shapes/types.js" */
/** @import {Overlay} from "./overlay.js" */
/** @import {Found, Picture} from "./picture.js" */
/** @import {Scene} from "./scene.js" */
/** @import {Stage} from "./stage.js" */

/** In milliseconds. */
const PATIENCE = 150;
/** Where neither the record nor the picture tells a size. */
const SOME_FRAME = {width: 640, height: 480};

/** @extends {Emitter<{leave: undefined, picture: Found, painted: number}>} */
export class Opening extends Emitter {
  /** Whether the image can be worked on: what is seen is what the session has. */
  open = false;
  /** @type {ImageRecord | null} Whose picture is shown or on its way. */
  #wanted = null;
  /** @type {ImageRecord | null} Whose picture is there, or known to be missing. */
  #painted = null;
  #asked = 0;

  /** @param {{session: Session, picture: Picture, scene: Scene, overlay: Overlay, stage: Stage}} parts */
  constructor(parts) {
    super();
    this.parts = parts;
    parts.session.on("state", () => this.#follow());
    this.#follow();
  }

  #follow() {
    const {stage, session: {state, image}} = this.parts;
    stage.element.dataset.state = state;
    if (state === "loading" || state === "missing" || state === "closed") this.#leave(state === "loading");
    else if (image && image !== this.#wanted) void this.#show(image);
  }

  /** @param {boolean} forAnother An image that is on its way. */
  #leave(forAnother) {
    if (forAnother) this.#asked = performance.now();
    this.emit("leave");
    this.open = false;
    this.#wanted = null;
    if (forAnother) setTimeout(() => this.open || this.#clear(), PATIENCE);
    else this.#clear();
  }

  #clear() {
    const {picture, scene, overlay} = this.parts;
    for (const part of [picture, scene, overlay]) part.clear();
  }

  /** @param {ImageRecord} image */
  async #show(image) {
    const {picture, stage} = this.parts;
    this.#wanted = image;
    const {width, height} = frameOf(image);
    const frame = Number.isFinite(width + height) ? {width, height} : null;
    const finding = find(image, frame);
    const early = await Promise.race([finding, new Promise((resolve) => setTimeout(resolve, PATIENCE, null))]);
    if (image !== this.#wanted) return;
    this.#begin(frame ?? SOME_FRAME);
    if (!early && frame) void this.#showThumbnail(image, frame);
    const {picture: drawable, found} = await finding;
    if (image !== this.#wanted) return;
    if (!frame && found.ok) stage.show(found);
    this.#painted = image;
    if (drawable) picture.draw(drawable, found);
    this.emit("picture", found);
    stage.whenDrawn(() => image === this.#wanted && this.#tellPainted(image.id));
  }

  /** From now on one can work on it. @param {Frame} frame */
  #begin(frame) {
    const {session, scene, stage} = this.parts;
    this.#clear();
    stage.show(frame);
    scene.setAll([...session.entries.values()]);
    this.open = true;
  }

  /**
   * @param {ImageRecord} image
   * @param {Frame} frame
   */
  async #showThumbnail(image, frame) {
    const small = await thumbnail(image);
    if (small && image === this.#wanted && image !== this.#painted) this.parts.picture.draw(small, frame, {blurred: true});
  }

  /** @param {number} id */
  #tellPainted(id) {
    // For those who measure: from asking for an image to seeing it.
    performance.measure("image", {start: this.#asked});
    this.emit("painted", id);
  }
}
