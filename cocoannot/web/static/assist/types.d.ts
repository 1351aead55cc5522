// What following edges asks and answers; browsers never load this file.

import type {Point, Rle, Shape} from "../types.js";

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

/** By what the server is to find an object. */
export interface OutlineRequest {
  box?: number[];
  inside?: Point[];
  outside?: Point[];
}

/** What it answers: nothing where it found nothing. */
export interface Found {
  segmentation: Rle | null;
  bbox: number[] | null;
  score: number | null;
}

export interface FoundShape {
  shape: Shape;
  /** Its outline, to be shown. */
  rings: Point[][];
  bbox: number[];
  /** How sure the model is, 0 to 1; `null` where there is none. */
  score: number | null;
}
