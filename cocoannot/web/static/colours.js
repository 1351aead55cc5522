// A colour for each category, the same in every session and every view.

/**
 * The hue of a category, in degrees: neighbours in id are far apart (by the golden angle).
 * @param {number | undefined} id
 */
const hue = (id) => (((Number(id) * 137.508) % 360) + 360) % 360;

/** @param {number | undefined} id */
export const colour = (id, alpha = 1) => `hsl(${hue(id).toFixed(1)} 85% 58% / ${alpha})`;
