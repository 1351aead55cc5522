// The types that the page's modules share, for `make check-page`; browsers never load this file.

/** `[x, y]`: in COCO's pixels y counts downwards, on the canvas upwards. */
export type Point = [x: number, y: number];

/** COCO's flat list `[x, y, x, y, ...]`. */
export type Polygon = number[];

export interface Rle {
  size: [height: number, width: number];
  counts: number[] | string;
}

/** What a user can draw. */
export interface Shape {
  bbox?: number[];
  segmentation?: Polygon[];
}

export interface Annotation {
  id: number;
  image_id: number;
  /** A caption may lack it. */
  category_id?: number;
  bbox?: number[];
  segmentation?: Polygon[] | Rle;
  area?: number;
  keypoints?: number[];
  caption?: string;
}

export type PolygonAnnotation = Annotation & {segmentation: Polygon[]};
export type MaskAnnotation = Annotation & {segmentation: Rle};
export type NewAnnotation = Omit<Annotation, "id">;
export type Kind = "polygons" | "mask" | "box";

export interface Keypoint {
  x: number;
  y: number;
  visible: number;
}

export interface Category {
  id: number;
  name: string;
  /** Pairs of keypoints, counted from 1. */
  skeleton?: [number, number][];
  _annotation_count: number;
}

export interface ImageRecord {
  id: number;
  file_name?: string;
  width: number;
  height: number;
}

/** An image as the gallery asks for it. */
export interface ListedImage extends ImageRecord {
  _annotation_count: number;
  _annotations?: Annotation[];
}

export interface S3Status {
  uri: string;
  state: "level" | "ahead" | "conflict" | "unknown";
  uploading: {bytes: number; total: number} | null;
  last_error: string | null;
}

export interface Status {
  dataset: {uri: string; loaded_at: string};
  revision: {memory: number; journal: number; file: number; s3: number | null};
  saver: {next_save_in: number | null; last_saved_at: string | null; last_error: string | null};
  s3: S3Status | null;
}

export interface Statistics {
  counts: {images: number; annotations: number; categories: number};
  categories: {id: number; name: string | null; annotations: number}[];
  annotations_per_image: {at_least: number; at_most: number | null; images: number}[];
  sizes: {at_least: number; below: number | null; annotations: number}[];
}

/** One of a batch. */
export type Operation =
  | {op: "add"; annotation: NewAnnotation}
  | {op: "update"; id: number; changes: Partial<Annotation>; if_match?: string}
  | {op: "delete"; id: number; if_match?: string}
  | {op: "restore"; annotation: Annotation};

/** What an operation has brought; both are `null` for one that deletes. */
export type Result = {annotation: Annotation; etag: string} | {annotation: null; etag: null};

/** The body that a call to `Path` is answered with. */
export type Body<Path extends string> =
  Path extends "api/status" ? Status :
  Path extends "api/stats" ? Statistics :
  Path extends "api/flush" ? {saved: boolean; summary: string} :
  Path extends `api/images?${string}` ? ListedImage[] :
  Path extends `api/images/${number}` ? ImageRecord :
  Path extends `api/images/${number}/annotations?with=etag` ? (Annotation & {_etag: string})[] :
  Path extends "api/annotations/batch" ? {results: Result[]} :
  Path extends "api/categories?with=annotation_count" ? Category[] :
  Path extends "api/categories" ? Category :
  unknown;

export interface Answer<B> {
  status: number;
  body: B;
  etag: string | null;
  revision: number;
  headers: Headers;
}

export interface Route {
  view: "images" | "image" | "statistics";
  id: number | null;
  query: URLSearchParams;
}

/** Anything that URLSearchParams takes. */
export type Query = ConstructorParameters<typeof URLSearchParams>[0];

/** Properties and listeners of an element. */
export type Properties = Record<string, string | number | boolean | null | undefined | ((event: any) => unknown)>;
export type Child = Node | string | null | undefined;

export interface Choice<T> {
  value: T | null;
  text: string;
  primary?: boolean;
  danger?: boolean;
}

export type Bind = (key: string, title: string, run: () => unknown, options?: {when?: () => boolean; shown?: boolean}) => void;
export type Tool = "select" | "box" | "polygon" | "part";
