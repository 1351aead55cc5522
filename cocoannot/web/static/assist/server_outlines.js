// Outlines that the server finds: of the object in a box, and, where it has a model, of the object at some points. What it can do is
// asked once; what it finds is a mask, of which a shape is made here.

import {get, send} from "../net/api.js";
import {contour} from "../geometry/contour.js";
import {fewer} from "../geometry/live_wire.js";
import {area} from "../geometry/polygons.js";
import {decode} from "../geometry/rle.js";
import {Emitter} from "../state/emitter.js";

/** @import {Found, FoundShape, OutlineRequest} from "./types.js" */
/** @import {Point, Rle, Shape} from "../types.js" */

/** A polygon may be so many pixels beside the mask's edge: slopes of pixels are stairs, of one pixel each. */
const TOLERANCE = 1.25;
/** Sides of a mask's edge of so many pixels are stairs. */
const STAIR = 2;
/** A part, or a hole, of less than this share of the largest part is none. */
const SPECK = 0.02;

/** @extends {Emitter<{change: undefined}>} */
class ServerOutlines extends Emitter {
  /** What the server can find; nothing until it has said so. */
  can = {box: false, points: false};

  /** Throws what `get` throws. */
  async load() {
    const {body} = await get("api/assist");
    this.can = /** @type {{box: boolean, points: boolean}} */ (body);
    this.emit("change");
  }

  /** Why objects in boxes can't be found, in words; `null` where they can. */
  lacksBox() {
    return this.can.box ? null : "needs a part of the server that is not installed";
  }

  lacksPoints() {
    return this.can.points ? null : "needs a model, which this server has not";
  }

  /**
   * Nothing where the server found nothing. Throws what `send` throws.
   * @param {number} imageId
   * @param {OutlineRequest} request
   * @returns {Promise<FoundShape | null>}
   */
  async find(imageId, request) {
    const {body} = await send({method: "POST", path: `api/images/${imageId}/outline`, body: request});
    const found = /** @type {Found} */ (body);
    return found.segmentation && found.bbox ? {...shapeOf(found.segmentation), bbox: found.bbox, score: found.score} : null;
  }
}

/** The page's one. */
export const serverOutlines = new ServerOutlines();

/**
 * Polygons; the mask itself where it has a hole, which polygons can't have.
 * @param {Rle} rle
 * @returns {{shape: Shape, rings: Point[][]}}
 */
export function shapeOf(rle) {
  const rings = contour(decode(rle), rle.size[0]);
  const most = Math.max(...rings.map(area));
  const large = rings.filter((ring) => area(ring) >= SPECK * most);
  const hasHole = large.some((ring) => isHole(ring));
  const smooth = large.map((ring) => withoutStairs(ring)).map((ring) => fewer([...ring, ring[0]], TOLERANCE).slice(0, -1)).filter((ring) => ring.length >= 3);
  return {shape: {segmentation: hasHole ? rle : smooth.map((ring) => ring.flat())}, rings: smooth};
}

/**
 * Slopes of pixels are stairs: of short sides only the middle counts.
 * @param {Point[]} ring
 * @returns {Point[]}
 */
function withoutStairs(ring) {
  return ring.flatMap(([x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length];
    const isShort = Math.abs(nextX - x) + Math.abs(nextY - y) <= STAIR;
    return isShort ? [/** @type {Point} */ ([(x + nextX) / 2, (y + nextY) / 2])] : [/** @type {Point} */ ([x, y]), /** @type {Point} */ ([nextX, nextY])];
  });
}

/** Rings around parts go one way round, those around holes the other. @param {Point[]} ring */
function isHole(ring) {
  let twice = 0;
  ring.forEach(([x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length];
    twice += x * nextY - nextX * y;
  });
  return twice < 0;
}
