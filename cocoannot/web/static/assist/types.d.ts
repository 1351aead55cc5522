// What following edges asks and answers; browsers never load this file.

import type {Point} from "../types.js";

export interface EdgeQuestion {
  /** Where the picture is. */
  url: string;
  /** The size of the image's record, where it has one. */
  frame: {width: number; height: number} | null;
  /** Where the way begins; `null`: only the edge near `to` is asked for. */
  from: Point | null;
  to: Point;
  /** How far from `to` the edge may be, in pixels. */
  reach: number;
}

export interface EdgeAnswer {
  /** The edge near `to`, or `to` where there is none. */
  at: Point;
  /** From `from` to `at`, both included. */
  way: Point[];
}
