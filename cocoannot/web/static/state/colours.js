// A colour for each category or annotation, the same in every session and every view.

/** The golden angle: neighbours in number are far apart in hue. */
const ANGLE = 137.508;
/**
 * In percent. By the golden angle, those come near in hue that are 5, 8, 13, 21, 34 or 55 apart: none of these is a multiple of
 * six, so that they differ in lightness, also for those who see few hues.
 */
const LIGHTNESS = [56, 38, 72, 47, 65, 32];

/**
 * A CSS colour. `number` is the id of a category, or what stands for an annotation.
 * @param {number | null | undefined} number
 */
export function colour(number, alpha = 1) {
  const which = Math.trunc(Number(number ?? NaN));
  if (!Number.isFinite(which)) return `hsl(0 0% 60% / ${alpha})`;
  const lightness = LIGHTNESS[((which % LIGHTNESS.length) + LIGHTNESS.length) % LIGHTNESS.length];
  return `hsl(${hueOf(which)} 85% ${lightness}% / ${alpha})`;
}

/** In degrees. @param {number} number */
export const hueOf = (number) => ((((number * ANGLE) % 360) + 360) % 360).toFixed(1);

/**
 * What stands for an annotation where colours are by annotation.
 * @param {string} key
 */
export function numberOf(key) {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return hash >>> 0;
}
