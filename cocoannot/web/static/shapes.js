// What shape an annotation has, in COCO's pixels: x to the right, y down.

/** @import {Annotation, Keypoint, Kind, MaskAnnotation, Point, Polygon, PolygonAnnotation, Shape} from "./types.js" */

/**
 * @param {Annotation} annotation
 * @returns {annotation is PolygonAnnotation}
 */
export function hasPolygons(annotation) {
  return Array.isArray(annotation.segmentation) && annotation.segmentation.length > 0;
}

/**
 * @param {Annotation} annotation
 * @returns {annotation is MaskAnnotation}
 */
export function hasMask(annotation) {
  return Boolean(annotation.segmentation) && !Array.isArray(annotation.segmentation);
}

/**
 * `null` for an annotation without geometry, such as a caption.
 * @param {Annotation} annotation
 * @returns {Kind | null}
 */
export function kindOf(annotation) {
  if (hasPolygons(annotation)) return "polygons";
  if (hasMask(annotation)) return "mask";
  return Array.isArray(annotation.bbox) && annotation.bbox.length === 4 ? "box" : null;
}

/**
 * The points of COCO's flat list.
 * @type {(flat: Polygon) => Point[]}
 */
export const points = (flat) => Array.from({length: flat.length / 2}, (_, i) => [flat[2 * i], flat[2 * i + 1]]);

/**
 * Twice the area that a ring encloses (shoelace), unsigned.
 * @param {Point[]} ring
 */
const doubleArea = (ring) =>
  Math.abs(ring.reduce((sum, [x, y], i) => sum + x * ring[(i + 1) % ring.length][1] - ring[(i + 1) % ring.length][0] * y, 0));

/**
 * Why a shape can't be kept, `null` where it can.
 * @param {Shape} shape
 */
export function fault({bbox, segmentation = []}) {
  if (bbox) return bbox[2] >= 1 && bbox[3] >= 1 ? null : "A box needs at least one pixel each way";
  for (const ring of segmentation.map(points)) {
    if (new Set(ring.map(String)).size < 3 || doubleArea(ring) < 2) return "A polygon needs three corners and an area";
  }
  return null;
}

/**
 * Corners around an annotation, `null` where it has none.
 * @param {Annotation} annotation
 * @returns {[left: number, top: number, right: number, bottom: number] | null}
 */
export function bounds(annotation) {
  if (Array.isArray(annotation.bbox) && annotation.bbox.length === 4) {
    const [x, y, width, height] = annotation.bbox;
    return [x, y, x + width, y + height];
  }
  if (!hasPolygons(annotation)) return null;
  const all = annotation.segmentation.flatMap(points);
  const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/**
 * The area that decides which shape lies above: smaller above larger.
 * @param {Annotation} annotation
 */
export function size(annotation) {
  const corners = bounds(annotation);
  return annotation.area ?? (corners ? (corners[2] - corners[0]) * (corners[3] - corners[1]) : Infinity);
}

/**
 * Those that are not labelled are `null`.
 * @param {Annotation} annotation
 * @returns {(Keypoint | null)[]}
 */
export function keypoints(annotation) {
  const flat = annotation.keypoints;
  if (!Array.isArray(flat)) return [];
  return Array.from({length: Math.floor(flat.length / 3)}, (_, i) => {
    const [x, y, visible] = flat.slice(3 * i, 3 * i + 3);
    return visible ? {x, y, visible} : null;
  });
}
