// Two people changed one annotation: both versions side by side, in an annotator's words; which one holds is the user's choice.

import {openDialog} from "./dialogs.js";
import {el, swatch} from "./dom.js";
import {drawVersion} from "./small_shapes.js";
import {ago, nameOr, plural, short} from "./words.js";

/** @import {Annotation} from "../types.js" */
/** @typedef {{user: string | null, at: number} | null} Author */
/** @typedef {{nameOf: (id: number | null | undefined) => string, colourOf: (annotation: Annotation) => string, picture: CanvasImageSource | null}} Names */

/**
 * @param {{mine: Annotation | null, theirs: Annotation | null, before: Annotation, author: Author}} versions null where it was deleted
 * @param {Names} names
 * @returns {Promise<"mine" | "theirs" | null>} null where the user closed the dialog
 */
export function askAboutVersions({mine, theirs, before, author}, names) {
  const who = nameOr(author?.user, "Somebody else");
  const when = author ? ` ${ago(author.at, Date.now())}` : "";
  const what = names.nameOf(before.category_id);
  const text = `${who} ${theirs ? "changed" : "deleted"} this annotation (${what})${when}, while you ${mine ? "changed" : "deleted"} it. Which version shall it be?`;
  return openDialog("Two versions of one annotation", {
    className: "versions",
    makeContent: () => [
      el("p", {}, text),
      el(
        "div",
        {class: "side-by-side"},
        version("Yours", mine, theirs ?? before, names),
        version(author?.user ? `${author.user}'s` : "Theirs", theirs, mine ?? before, names),
      ),
    ],
    makeButtons: (close) => [
      el("button", {type: "button", onclick: () => close("mine")}, "Take mine"),
      el("button", {type: "button", class: "primary", autofocus: true, onclick: () => close("theirs")}, "Take theirs"),
    ],
  });
}

/**
 * @param {string} title
 * @param {Annotation | null} annotation
 * @param {Annotation} other what differs from it is marked
 * @param {Names} names
 */
function version(title, annotation, other, names) {
  if (!annotation) return el("section", {class: "version"}, el("h3", {}, title), el("p", {class: "dim"}, "Deleted"));
  const theirs = new Map(facts(other, names));
  const rows = facts(annotation, names).flatMap(([name, value]) => {
    const differs = theirs.get(name) !== value;
    return [
      el("dt", {}, name),
      el(
        "dd",
        {class: differs ? "differs" : null},
        name === "Category" ? swatch(names.colourOf(annotation)) : null,
        differs ? el("strong", {}, value) : value,
      ),
    ];
  });
  const canvas = el("canvas", {width: 560, height: 300, "aria-hidden": "true"});
  drawVersion(canvas, {annotation, other, picture: names.picture, colourOf: names.colourOf});
  return el("section", {class: "version"}, el("h3", {}, title), canvas, el("dl", {}, ...rows));
}

/**
 * @param {Annotation} annotation
 * @param {Names} names
 * @returns {[name: string, value: string][]}
 */
function facts(annotation, names) {
  const {segmentation, bbox, keypoints, caption} = annotation;
  /** @type {[string, string][]} */
  const rows = [["Category", names.nameOf(annotation.category_id)]];
  if (Array.isArray(bbox))
    rows.push(["Left, top", `${bbox.slice(0, 2).map(readable).join(", ")}`], ["Size", bbox.slice(2, 4).map(readable).join(" × ")]);
  if (Array.isArray(segmentation) && segmentation.length) rows.push(["Outline", cornersOf(segmentation)]);
  else if (segmentation && !Array.isArray(segmentation)) rows.push(["Outline", "mask"]);
  if (Array.isArray(keypoints) && keypoints.length)
    rows.push(["Keypoints", String(keypoints.filter((_, i) => i % 3 === 2 && Number(keypoints[i]) > 0).length)]);
  if (caption) rows.push(["Caption", String(caption)]);
  return rows;
}

/** @param {unknown} number */
const readable = (number) => (Number.isFinite(Number(number)) ? short(Number(number)) : String(number));

/** @param {unknown[]} rings */
function cornersOf(rings) {
  const corners = rings.reduce((/** @type {number} */ sum, ring) => sum + (Array.isArray(ring) ? Math.floor(ring.length / 2) : 0), 0);
  return `${plural(corners, "corner")}${rings.length > 1 ? ` in ${plural(rings.length, "part")}` : ""}`;
}
