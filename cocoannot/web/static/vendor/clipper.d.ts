// The types of what the page's geometry uses of clipper.js beside it. Not a part of the bundle.

/** A corner, in whole numbers. */
export interface Corner {
  x: number;
  y: number;
}

export declare enum ClipType {
  NoClip,
  Intersection,
  Union,
  Difference,
  Xor,
}

export declare enum FillRule {
  EvenOdd,
  NonZero,
  Positive,
  Negative,
}

export declare class Clipper64 {
  addSubject(paths: Corner[][]): void;
  addClip(paths: Corner[][]): void;
  /** Whether it could be done; the rings go into `solution`, outer ones and holes with opposite signs of their area. */
  execute(type: ClipType, rule: FillRule, solution: Corner[][]): boolean;
}
