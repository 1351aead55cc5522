// Captions: words about the whole picture, without a place in it.

import {nameOf} from "./numbers.js";

/** @import {ShapeKind} from "./types.js" */

/** @type {ShapeKind} */
export const caption = {
  kind: "caption",
  fault: ({caption: words}) => (typeof words === "string" ? null : `the caption is ${nameOf(words)}, not text`),
  draw: () => ({rings: [], mask: null, keypoints: [], edge: () => []}),
  bounds: () => null,
  hit: () => false,
  area: () => 0,
  handles: () => [],
  moved: () => ({}),
  reshaped: () => ({}),
  withoutHandle: () => null,
};
