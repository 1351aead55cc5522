// The types of shapes, for those who draw, hit and edit them; browsers never load this file.

import type {Bounds} from "../geometry/polygons.js";
import type {Frame} from "../geometry/placing.js";
import type {Annotation, Point} from "../types.js";

export type {Bounds, Frame};

export type Kind = "box" | "polygon" | "mask" | "keypoints" | "caption";

export interface Keypoint {
  x: number;
  y: number;
  /** 1: labelled, but hidden in the picture; 2: to be seen. */
  visible: number;
}

export interface Mask {
  /** Pixels of background and of mask in turn. */
  runs: number[];
  size: [height: number, width: number];
}

/** What is to be drawn, in the picture's pixels. */
export interface Outline {
  /** Closed lines, to be filled; none for a mask. */
  rings: Point[][];
  mask: Mask | null;
  /** In the order of the category's names, `null` for one that is not labelled. */
  keypoints: (Keypoint | null)[];
  /** The closed lines around the shape, for a mask too, where it takes time. */
  edge(): Point[][];
}

/** What can be dragged. */
export interface Handle {
  kind: "corner" | "edge" | "vertex" | "middle" | "keypoint";
  at: Point;
  /** Of a polygon; 0 for others. */
  ring: number;
  /** Corners and edges of a box go clockwise, from the top left and from the top; a middle is that of the edge behind the corner. */
  index: number;
  cursor: string;
  /** Length of the edge that it is the middle of, in the picture's pixels; `Infinity` for handles that are always there. */
  room: number;
}

/** Fields of an annotation that change. */
export type Changes = Partial<Annotation>;

/** What a kind of shape can do. All but `fault` take annotations without a fault. */
export interface ShapeKind {
  kind: Kind;
  /** Why it can't be drawn, `null` where it can. */
  fault(annotation: Annotation): string | null;
  draw(annotation: Annotation): Outline;
  bounds(annotation: Annotation): Bounds | null;
  /** Whether the shape is under the point, or at most `reach` pixels away from it. */
  hit(annotation: Annotation, point: Point, reach: number): boolean;
  /** In square pixels. */
  area(annotation: Annotation): number;
  handles(annotation: Annotation): Handle[];
  moved(annotation: Annotation, dx: number, dy: number, frame: Frame): Changes;
  reshaped(annotation: Annotation, handle: Handle, point: Point, frame: Frame): Changes;
  /** Without that corner; `null` where it can't be without. */
  withoutHandle(annotation: Annotation, handle: Handle): Changes | null;
  /** What is other in a picture of that size, `null` where nothing is left; only for shapes that tell the picture's size. */
  fitted?(annotation: Annotation, frame: Frame): Changes | null;
}
