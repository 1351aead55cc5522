// What shape an annotation has, in COCO's pixels: x to the right, y down.

/** `"polygons"`, `"mask"` or `"box"`; `null` for an annotation without geometry, such as a caption. */
export function kindOf(annotation) {
  const {segmentation, bbox} = annotation;
  if (Array.isArray(segmentation) && segmentation.length) return "polygons";
  if (segmentation && !Array.isArray(segmentation)) return "mask";
  return Array.isArray(bbox) && bbox.length === 4 ? "box" : null;
}

/** `[[x, y], ...]` of COCO's flat list. */
export const points = (flat) => Array.from({length: flat.length / 2}, (_, i) => [flat[2 * i], flat[2 * i + 1]]);

/** Twice the area that a ring encloses (shoelace), unsigned. */
const doubleArea = (ring) =>
  Math.abs(ring.reduce((sum, [x, y], i) => sum + x * ring[(i + 1) % ring.length][1] - ring[(i + 1) % ring.length][0] * y, 0));

/** Why a shape can't be kept, `null` where it can. */
export function fault({bbox, segmentation}) {
  if (bbox) return bbox[2] >= 1 && bbox[3] >= 1 ? null : "A box needs at least one pixel each way";
  for (const ring of segmentation.map(points)) {
    if (new Set(ring.map(String)).size < 3 || doubleArea(ring) < 2) return "A polygon needs three corners and an area";
  }
  return null;
}

/** Corners `[left, top, right, bottom]` around an annotation, `null` where it has none. */
export function bounds(annotation) {
  if (Array.isArray(annotation.bbox) && annotation.bbox.length === 4) {
    const [x, y, width, height] = annotation.bbox;
    return [x, y, x + width, y + height];
  }
  if (kindOf(annotation) !== "polygons") return null;
  const all = annotation.segmentation.flatMap(points);
  const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** The area that decides which shape lies above: smaller above larger. */
export function size(annotation) {
  const corners = bounds(annotation);
  return annotation.area ?? (corners ? (corners[2] - corners[0]) * (corners[3] - corners[1]) : Infinity);
}

/** Keypoints as `[{x, y, visible}]`, those that are not labelled left out as `null`. */
export function keypoints(annotation) {
  const flat = annotation.keypoints;
  if (!Array.isArray(flat)) return [];
  return Array.from({length: Math.floor(flat.length / 3)}, (_, i) => {
    const [x, y, visible] = flat.slice(3 * i, 3 * i + 3);
    return visible ? {x, y, visible} : null;
  });
}
