// Where a picture has edges: of each pixel how strong they are, in which direction they go, and what it costs to go through it.
//
// Gradients are Sobel's, edges in the middle of a slope the zero crossings of the Laplacian. Edges between colours that are alike
// in grey are edges too: at each pixel the colour counts whose gradient is the strongest.

/** What a step of one pixel costs at most, and the shares of it that the paper gives (`live_wire.js`). */
export const MOST = 128;
const [ZERO, GRADIENT] = [0.43, 0.43];
/** Gradients above those of all but so many of a hundred pixels with a gradient count as the strongest. */
const STRONGEST = 3;
/** A zero crossing of a gradient below this is noise: the ground is full of them. */
const NOISE = 0.1;

/**
 * Of each pixel: the strength of its edge (0 to 1), what it costs to go through, and the edge's direction, as a vector of length
 * 127, or 0 where there is no edge.
 * @typedef {{width: number, height: number, strength: Float32Array, cost: Uint8Array, alongX: Int8Array, alongY: Int8Array}} Edges
 */

/**
 * @param {ArrayLike<number>} colours Red, green, blue and opacity of each pixel, row by row.
 * @param {number} width
 * @param {number} height
 * @returns {Edges}
 */
export function edgesOf(colours, width, height) {
  const count = width * height;
  /** @type {Edges} */
  const edges = {width, height, strength: new Float32Array(count), cost: new Uint8Array(count), alongX: new Int8Array(count), alongY: new Int8Array(count)};
  const strongest = new Uint8Array(count);
  for (const channel of [0, 1, 2]) addGradients(edges, colours, channel, strongest);
  scale(edges.strength);
  const isZero = new Uint8Array(count);
  for (const channel of [0, 1, 2]) {
    const bends = laplacian(smoothed(values(colours, channel, count), width, height), width, height);
    addZeroCrossings(isZero, bends, edges, (i) => strongest[i] === channel);
  }
  for (let i = 0; i < count; i++) edges.cost[i] = MOST * (ZERO * (1 - isZero[i]) + GRADIENT * (1 - edges.strength[i]));
  return edges;
}

/**
 * Sobel's gradients of one colour, where they are stronger than what is there. At the picture's border there is none.
 * @param {Edges} edges
 * @param {ArrayLike<number>} colours
 * @param {number} channel
 * @param {Uint8Array} strongest the colour that each pixel has its gradient from
 */
function addGradients({width, height, strength, alongX, alongY}, colours, channel, strongest) {
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const at = 4 * i + channel;
      const up = at - 4 * width;
      const down = at + 4 * width;
      const right = colours[up + 4] + 2 * colours[at + 4] + colours[down + 4];
      const left = colours[up - 4] + 2 * colours[at - 4] + colours[down - 4];
      const above = colours[up - 4] + 2 * colours[up] + colours[up + 4];
      const below = colours[down - 4] + 2 * colours[down] + colours[down + 4];
      const gradientX = right - left;
      const gradientY = below - above;
      const size = Math.sqrt(gradientX * gradientX + gradientY * gradientY);
      if (size <= strength[i]) continue;
      strength[i] = size;
      strongest[i] = channel;
      // Along the edge is across the gradient.
      alongX[i] = (127 * gradientY) / size;
      alongY[i] = (-127 * gradientX) / size;
    }
  }
}

/** To 0 to 1; the few strongest are not to make all others look weak. @param {Float32Array} strength */
function scale(strength) {
  const most = strength.reduce((found, each) => (each > found ? each : found), 0);
  if (!most) return;
  const counts = new Uint32Array(1001);
  for (const each of strength) if (each) counts[Math.floor((1000 * each) / most)] += 1;
  const limit = (counts.reduce((sum, count) => sum + count, 0) * STRONGEST) / 100;
  let [top, above] = [1000, counts[1000]];
  while (top > 1 && above + counts[top - 1] <= limit) above += counts[--top];
  for (let i = 0; i < strength.length; i++) strength[i] = Math.min(1, (1000 * strength[i]) / (top * most));
}

/**
 * @param {ArrayLike<number>} colours
 * @param {number} channel
 * @param {number} count
 */
function values(colours, channel, count) {
  const found = new Float32Array(count);
  for (let i = 0; i < count; i++) found[i] = colours[4 * i + channel];
  return found;
}

/**
 * Each pixel with those around it, by 1 4 6 4 1 in each direction; what is outside is as the border is.
 * @param {Float32Array} values
 * @param {number} width
 * @param {number} height
 */
function smoothed(values, width, height) {
  const half = new Float32Array(values.length);
  const whole = new Float32Array(values.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    for (let x = 0; x < width; x++) {
      const far = values[row + (x > 1 ? x - 2 : 0)] + values[row + (x < width - 2 ? x + 2 : width - 1)];
      const near = values[row + (x > 0 ? x - 1 : 0)] + values[row + (x < width - 1 ? x + 1 : x)];
      half[row + x] = (far + 4 * near + 6 * values[row + x]) / 16;
    }
  }
  for (let y = 0; y < height; y++) {
    const [a, b, c, d] = [y > 1 ? y - 2 : 0, y > 0 ? y - 1 : 0, y < height - 1 ? y + 1 : y, y < height - 2 ? y + 2 : height - 1].map((each) => each * width);
    const row = y * width;
    for (let x = 0; x < width; x++) whole[row + x] = (half[a + x] + 4 * half[b + x] + 6 * half[row + x] + 4 * half[c + x] + half[d + x]) / 16;
  }
  return whole;
}

/**
 * @param {Float32Array} values
 * @param {number} width
 * @param {number} height
 */
function laplacian(values, width, height) {
  const bends = new Float32Array(values.length);
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * width + 1; i < (y + 1) * width - 1; i++) bends[i] = values[i - 1] + values[i + 1] + values[i - width] + values[i + width] - 4 * values[i];
  }
  return bends;
}

/**
 * Marks the pixels at which the Laplacian changes its sign: of the two beside each other, the one where it is nearer to zero.
 * @param {Uint8Array} isZero
 * @param {Float32Array} bends
 * @param {Edges} edges
 * @param {(i: number) => boolean} counts
 */
function addZeroCrossings(isZero, bends, {width, height, strength}, counts) {
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * width + 1; i < (y + 1) * width - 1; i++) {
      if (strength[i] < NOISE || !counts(i)) continue;
      if (bends[i] * bends[i + 1] < 0) isZero[Math.abs(bends[i]) <= Math.abs(bends[i + 1]) ? i : i + 1] = 1;
      if (bends[i] * bends[i + width] < 0) isZero[Math.abs(bends[i]) <= Math.abs(bends[i + width]) ? i : i + width] = 1;
    }
  }
}
