// One annotation: as the server has it, with this page's unanswered steps upon it. `records.js` has those of an image.
//
// A row's *lineage* grows when somebody else changes its record. A step that was made on an older lineage goes out with the ETag
// that its maker saw, so that the server refuses it and the user is asked; else with the newest ETag that our own changes had.

import {stringify} from "../net/json.js";
import {changed} from "./digits.js";

/** @import {Annotation, Author, Entry, Key, NewAnnotation, Operation} from "../types.js" */

/**
 * What one change does to one annotation: `add` has a whole record, `update` the fields that are other.
 * @typedef {{op: "add", key: Key, annotation: NewAnnotation} | {op: "update", key: Key, changes: Partial<Annotation>} | {op: "delete", key: Key}} Edit
 *
 * @typedef {object} Step An edit that the server has not answered.
 * @property {Edit} edit
 * @property {object} change What the edit is a part of.
 * @property {number} lineage
 * @property {string | null} etag That its maker saw.
 * @property {boolean} restores The record is gone on the server: the edit puts it back first.
 *
 * @typedef {object} Row
 * @property {Key} key
 * @property {number | null} id
 * @property {Annotation | null} base As the server has it; `null` until it has it.
 * @property {Annotation | null} former As it was before somebody else changed it.
 * @property {boolean} gone Somebody else has deleted it.
 * @property {string | null} etag
 * @property {number} lineage
 * @property {Step[]} steps
 * @property {{lineage: number, etag: string | null}} seen Of the entry that is shown; one that is held may be behind.
 * @property {Entry["others"]} others
 */

/**
 * @param {Key} key
 * @param {number | null} id
 * @returns {Row}
 */
export const newRow = (key, id) => ({
  key, id, base: null, former: null, gone: false, etag: null, lineage: 0, steps: [], seen: {lineage: 0, etag: null}, others: null,
});

/**
 * The server has another version of a row's record.
 * @param {Row} row
 * @param {Annotation} annotation
 * @param {string} etag
 * @param {Author | null} author somebody else
 */
export function rebase(row, annotation, etag, author) {
  if (author) {
    if (row.base) row.lineage += 1;
    row.former = row.base;
    row.others = author;
  }
  Object.assign(row, {base: annotation, etag, id: annotation.id});
}

/**
 * @param {Row} row
 * @param {Edit} edit
 * @param {object} change
 */
export function addStep(row, edit, change) {
  row.steps.push({edit, change, ...row.seen, restores: false});
}

/**
 * What is to be seen, `null` for a deleted one.
 * @param {Row} row
 * @returns {Annotation | null}
 */
export function shown(row) {
  if (row.gone && !row.steps.length) return null;
  return row.steps.reduce((/** @type {Annotation | null} */ annotation, {edit}) => {
    if (edit.op === "delete") return null;
    if (edit.op === "add") return /** @type {Annotation} */ (edit.annotation);
    return annotation && withBox(changed(annotation, edit.changes), annotation, edit.changes);
  }, row.base);
}

/**
 * The server computes box and area from polygons, and from keypoints whose box it was before; until it has, the box is ours, and
 * the area is not known.
 * @param {Annotation} annotation
 * @param {Annotation} before
 * @param {Partial<Annotation>} changes
 */
function withBox(annotation, before, {segmentation, keypoints}) {
  const polygons = Array.isArray(segmentation) ? segmentation : [];
  const box = polygons.length ? boxOf(polygons.flat()) : keypoints && followsPoints(before) ? boxOf(labelled(annotation)) : null;
  if (!box) return annotation;
  delete annotation.area;
  annotation.bbox = box;
  return annotation;
}

/** @param {Annotation} annotation */
function followsPoints({segmentation, ...annotation}) {
  const isEmpty = segmentation == null || (Array.isArray(segmentation) && !segmentation.length);
  const box = isEmpty ? boxOf(labelled(annotation)) : null;
  return box !== null && (annotation.bbox ?? box).every((number, i) => number === box[i]);
}

/** @param {Pick<Annotation, "keypoints">} annotation */
const labelled = ({keypoints}) => (keypoints ?? []).flatMap((_, i, flat) => (i % 3 === 0 && flat[i + 2] > 0 ? flat.slice(i, i + 2) : []));

/**
 * @param {number[]} flat
 * @returns {number[] | null}
 */
function boxOf(flat) {
  if (!flat.length) return null;
  const [xs, ys] = [0, 1].map((side) => flat.filter((_, i) => i % 2 === side));
  const [left, top] = [least(xs), least(ys)];
  return [left, top, -least(xs.map((x) => -x)) - left, -least(ys.map((y) => -y)) - top];
}

/** @param {number[]} numbers */
const least = (numbers) => numbers.reduce((one, other) => Math.min(one, other), Infinity);

/**
 * What a row is to the views; the row notes what they see.
 * @param {Row} row
 * @param {(annotation: Annotation) => string | null} fault
 * @returns {Entry | null}
 */
export function entryOf(row, fault) {
  const annotation = shown(row);
  if (!annotation) return null;
  row.seen = {lineage: row.lineage, etag: row.etag};
  return {
    key: row.key, annotation, id: row.id, etag: row.etag, pending: row.steps.length > 0, broken: fault(annotation), others: row.others,
    get text() {
      return stringify(annotation);
    },
  };
}

/**
 * What a step asks of the server; nothing where the record never got there.
 * @param {Row} row
 * @param {Step} step
 * @returns {Operation[]}
 */
export function operationsOf({id, base, etag, lineage}, step) {
  const {edit} = step;
  if (edit.op === "add") return [{op: "add", annotation: edit.annotation}];
  if (id === null || base === null) return [];
  const match = step.lineage === lineage ? etag : step.etag;
  const condition = match ? {if_match: match} : {};
  if (edit.op === "delete") return [{op: "delete", id, ...condition}];
  if (step.restores) return [{op: "restore", annotation: base}, {op: "update", id, changes: edit.changes}];
  return [{op: "update", id, changes: edit.changes, ...condition}];
}
