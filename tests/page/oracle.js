// What the page's geometry makes of questions from a test in another language: reads them from the file that is named, a list
// of [name, ...given], and prints the answers. What is right is decided by who asks.

import {readFileSync} from "node:fs";
import process from "node:process";

import {contour} from "../../cocoannot/web/static/geometry/contour.js";
import {pointsOf} from "../../cocoannot/web/static/geometry/polygons.js";
import * as regions from "../../cocoannot/web/static/geometry/regions.js";
import * as rle from "../../cocoannot/web/static/geometry/rle.js";
import * as spans from "../../cocoannot/web/static/geometry/spans.js";
import {tasks} from "../../cocoannot/web/static/geometry/tasks.js";

/** @import {Point, Polygon, Rle} from "../../cocoannot/web/static/types.js" */
/** @typedef {[height: number, width: number]} Size */

/** @param {Rle} mask */
const spansOf = (mask) => spans.fromRuns(rle.decode(mask), mask.size);
/** @param {spans.Spans} all */
const textOf = (all) => rle.encode(spans.toRuns(all));

const questions = {
  ...tasks,
  /** @param {Rle} mask */
  mask(mask) {
    const runs = rle.decode(mask);
    const all = spansOf(mask);
    return {
      runs, text: rle.encode(runs), again: textOf(all), area: rle.area(runs), pixels: spans.area(all), box: rle.box(runs, mask.size[0]),
      edge: contour(runs, mask.size[0]), filled: textOf(regions.withoutHoles(all)), parts: regions.parts(all).length,
    };
  },
  /** @type {(one: Rle, other: Rle, operation: spans.Operation) => string} */
  masks: (one, other, operation) => textOf(spans.combined(spansOf(one), spansOf(other), operation)),
  /** @type {(mask: Rle, points: Point[], radius: number, operation: "union" | "difference") => string} */
  stroke: (mask, points, radius, operation) => textOf(spans.stroked(spansOf(mask), points, radius, operation)),
  /** @type {(polygons: Polygon[], size: Size) => string} */
  fill: (polygons, size) => textOf(spans.filled(polygons.map(pointsOf), size)),
};

/** @type {[name: keyof typeof questions, ...given: any[]][]} */
const asked = JSON.parse(readFileSync(process.argv[2], "utf8"));
process.stdout.write(JSON.stringify(asked.map(([name, ...given]) => /** @type {(...all: any[]) => unknown} */ (questions[name])(...given))));
