// The keypoints of a category as people type them: a name a line, and a line for each two that are joined.

/** @typedef {{names: string[], pairs: [number, number][]}} Skeleton `pairs` count from 1, as COCO's `skeleton`. */

/** As COCO's own files have them for a person. */
export const PERSON = {
  names: [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
  ],
  pairs: /** @type {[number, number][]} */ ([
    [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9], [8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4],
    [3, 5], [4, 6], [5, 7],
  ]),
};

/** @param {string} text */
const linesOf = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** A name as people read it. @param {string} name */
export const spoken = (name) => name.replaceAll("_", " ");

/**
 * What a category of a file has; what is no name and no pair is left out.
 * @param {{keypoints?: unknown, skeleton?: unknown}} category
 * @returns {Skeleton}
 */
export function skeletonOf({keypoints, skeleton}) {
  const isPair = (/** @type {unknown} */ pair) => Array.isArray(pair) && pair.length === 2 && pair.every(Number.isInteger);
  return {names: Array.isArray(keypoints) ? keypoints.map(String) : [], pairs: Array.isArray(skeleton) ? skeleton.filter(isPair) : []};
}

/**
 * @param {Skeleton} skeleton
 * @returns {{names: string, pairs: string}}
 */
export function textOf({names, pairs}) {
  const nameOf = (/** @type {number} */ number) => names[number - 1] ?? String(number);
  return {names: names.join("\n"), pairs: pairs.map(([one, other]) => `${nameOf(one)} - ${nameOf(other)}`).join("\n")};
}

/**
 * Throws an Error that says what is wrong, for a person.
 * @param {{names: string, pairs: string}} text
 * @returns {Skeleton}
 */
export function parse(text) {
  const names = linesOf(text.names);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`There are two keypoints with the name “${twice}”. Give each its own.`);
  return {names, pairs: linesOf(text.pairs).map((line) => pairOf(line, names))};
}

/**
 * Names may have hyphens too: the line is cut where there is a name on both sides.
 * @param {string} line
 * @param {string[]} names
 * @returns {[number, number]}
 */
function pairOf(line, names) {
  const parts = line.split("-");
  for (let i = 1; i < parts.length; i++) {
    const [one, other] = [parts.slice(0, i), parts.slice(i)].map((side) => numberOf(side.join("-").trim(), names));
    if (one && other && one !== other) return [one, other];
  }
  throw new Error(`“${line}” does not join two of the keypoints. Type two of their names with a hyphen between, as in “${names[0] ?? "nose"} - ${names[1] ?? "neck"}”.`);
}

/**
 * Which keypoint is meant, counted from 1: by its name, or by its number. 0 where none is.
 * @param {string} text
 * @param {string[]} names
 */
function numberOf(text, names) {
  const wanted = spoken(text).toLowerCase();
  const place = names.findIndex((name) => spoken(name).toLowerCase() === wanted);
  if (place >= 0) return place + 1;
  return /^\d+$/.test(text) && Number(text) <= names.length ? Number(text) : 0;
}
