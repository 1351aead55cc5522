// Fields of an annotation that COCO does not know: read as text, and written from what somebody typed. Every number keeps the
// digits that were typed.

import {parse, stringify, textAt} from "../net/json.js";

/** @import {Annotation} from "../types.js" */
/** @typedef {"text" | "number" | "truth" | "json"} FieldKind */

/** Each has a place of its own to be seen and changed, or follows from others. */
const KNOWN = new Set(["id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "keypoints", "num_keypoints", "caption"]);

/** @type {[kind: FieldKind, title: string][]} */
export const KINDS = [["text", "Text"], ["number", "Number"], ["truth", "Yes or no"], ["json", "JSON"]];

/**
 * @param {Annotation} annotation
 * @returns {{name: string, kind: FieldKind, text: string}[]} `text` is what there is to type.
 */
export function freeFields(annotation) {
  return Object.entries(annotation).filter(([name]) => !KNOWN.has(name) && !name.startsWith("_")).map(([name, value]) => ({name, kind: kindOf(value), text: textOf(annotation, name, value)}));
}

/** @param {unknown} value @returns {FieldKind} */
function kindOf(value) {
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "number";
  return typeof value === "boolean" ? "truth" : "json";
}

/**
 * @param {Annotation} annotation
 * @param {string} name
 * @param {unknown} value
 */
function textOf(annotation, name, value) {
  if (typeof value === "string") return value;
  return typeof value === "number" ? (textAt(annotation, name, value) ?? String(value)) : stringify(value);
}

/**
 * The change that a typed value is. Throws an Error that says what is wrong with it, for a person.
 * @param {string} name
 * @param {FieldKind} kind
 * @param {string} text
 * @returns {Partial<Annotation>}
 */
export function changeOf(name, kind, text) {
  if (kind === "text") return record(name, JSON.stringify(text));
  const typed = text.trim();
  if (kind === "truth") return record(name, String(typed === "true"));
  // As people type numbers: with a comma, a plus, or nothing before the point.
  const json = kind === "number" ? typed.replace(",", ".").replace(/^\+/, "").replace(/^(-?)\./, "$10.") : typed;
  const value = read(json);
  if (kind === "number" && !Number.isFinite(value)) throw new Error(`${name}: “${typed}” is no number.`);
  if (value === undefined) throw new Error(`${name}: this is no JSON. Type a list such as [1, 2], an object such as {"colour": "red"}, or choose Text.`);
  if (value === null) throw new Error(`${name}: null is no value here. Take the field away instead.`);
  return record(name, json);
}

/**
 * Why a field can't have this name; `null` where it can.
 * @param {string} name
 * @param {Annotation} annotation
 */
export function faultOfName(name, annotation) {
  if (name === "") return "Type a name for the field.";
  if (KNOWN.has(name)) return `${name} is a field of COCO's own: it is changed in its own place.`;
  if (name.startsWith("_")) return "A name can't begin with an underscore: these are the server's.";
  return name in annotation ? `There is a field ${name} already.` : null;
}

/** @param {string} text */
function read(text) {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Read together with its name, so that the number's text is kept beside it.
 * @param {string} name
 * @param {string} json
 * @returns {Partial<Annotation>}
 */
const record = (name, json) => parse(`{${JSON.stringify(name)}:${json}}`);
