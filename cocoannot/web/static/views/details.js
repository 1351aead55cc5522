// Everything that the record of the one selected annotation has beside its category and its box: crowd, caption, keypoints, fields
// of its own, what follows from others, and who changed it when. Nothing is made before somebody opens it.

import {kindOf} from "../shapes/registry.js";
import {el, setText} from "./dom.js";
import {FreeFields} from "./free_fields.js";
import {PointRows} from "./point_rows.js";
import {RecordHistory} from "./record_history.js";
import {short} from "./words.js";

/** @import {Annotation, Categories, Entry, Session} from "../types.js" */

export class Details {
  /** @type {Entry | null} */
  #entry = null;

  /** @param {{session: Session, categories: Categories}} parts */
  constructor(parts) {
    const {session} = parts;
    this.session = session;
    const change = (/** @type {Partial<Annotation>} */ changes) => this.#entry && session.update(this.#entry.key, changes);
    this.crowd = el("input", {type: "checkbox", onchange: () => change({iscrowd: this.crowd.checked ? 1 : 0})});
    this.caption = el("textarea", {rows: 3, onchange: () => change({caption: this.caption.value}), onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation()});
    this.captionLabel = el("label", {class: "caption-field"}, "Caption", this.caption);
    this.facts = el("p", {class: "dim facts"});
    this.points = new PointRows({...parts, change});
    this.fields = new FreeFields(change);
    this.history = new RecordHistory();
    this.element = el(
      "details",
      {class: "details vacant", ontoggle: () => this.#show()},
      el("summary", {}, "Details"),
      this.captionLabel,
      el("label", {class: "tick"}, this.crowd, " A crowd of several (iscrowd)"),
      this.points.element,
      this.fields.element,
      this.facts,
      this.history.element,
    );
  }

  /** @param {Entry | null} entry */
  show(entry) {
    this.#entry = entry;
    this.element.classList.toggle("vacant", entry === null);
    this.#show();
  }

  #show() {
    const entry = this.#entry;
    if (!entry || !this.element.open) return;
    const {annotation} = entry;
    const locked = !this.session.canEdit() || this.session.isLocked(entry);
    this.crowd.checked = annotation.iscrowd === 1;
    this.captionLabel.hidden = annotation.caption === undefined;
    if (document.activeElement !== this.caption) this.caption.value = String(annotation.caption ?? "");
    this.crowd.disabled = this.caption.disabled = locked;
    this.points.show(entry, locked);
    this.fields.show(entry, locked);
    setText(this.facts, factsOf(annotation));
    this.history.show(entry);
  }
}

/**
 * What is computed from other fields, and the ids.
 * @param {Annotation} annotation
 */
function factsOf(annotation) {
  const {id, image_id: image, area, num_keypoints: points} = annotation;
  const kind = kindOf(annotation) ?? "no shape";
  const facts = [kind.charAt(0).toUpperCase() + kind.slice(1), id === undefined ? "no id yet" : `id ${id}`, `image ${image}`];
  if (typeof area === "number") facts.push(`area ${short(area)}`);
  if (points !== undefined) facts.push(`${points} of its keypoints labelled`);
  return facts.join(", ");
}
