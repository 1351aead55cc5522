// The types that the page's modules share, for `make check-page`; browsers never load this file.

import type {Categories} from "./state/categories.js";
import type {Preferences} from "./state/preferences.js";
import type {Session} from "./state/session.js";
import type {Keypoint} from "./shapes/types.js";

export type {Commands} from "./state/commands.js";
export type {ImageList} from "./state/image_list.js";
export type {Queue} from "./state/queue.js";
export type {SaveState} from "./state/save_state.js";
export type {Visibility} from "./state/visibility.js";
export type {Categories, Preferences, Session};

// Records, as the server gives them

/** `[x, y]` in COCO's pixels: y counts downwards. */
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
  segmentation?: Polygon[] | Rle;
  keypoints?: number[];
}

/**
 * What a well-formed record has. A file may hold anything: ask `shapes/registry.js` for the fault of one before its geometry
 * is used.
 */
export interface Annotation {
  id: number;
  image_id: number;
  /** A caption may lack it. */
  category_id?: number;
  bbox?: number[];
  segmentation?: Polygon[] | Rle;
  area?: number;
  iscrowd?: number;
  keypoints?: number[];
  num_keypoints?: number;
  caption?: string;
  /** Where it came from, where it was a prediction. */
  prediction?: Origin;
}

export type PolygonAnnotation = Annotation & {segmentation: Polygon[]};
export type MaskAnnotation = Annotation & {segmentation: Rle};
export type NewAnnotation = Omit<Annotation, "id">;
/** What an image gets: a shape that was drawn, or a copy with all that it had beside its ids. */
export type NewShape = Omit<Partial<Annotation>, "id" | "image_id" | "category_id"> & {category_id?: number | null};
/** The version that a record has on the server. */
export type Tagged = Annotation & {_etag: string};

export interface Category {
  id: number;
  name: string;
  supercategory?: string;
  /** The names of its keypoints. */
  keypoints?: string[];
  /** Pairs of keypoints, counted from 1. */
  skeleton?: [number, number][];
  _annotation_count: number;
}

export interface ImageRecord {
  id: number;
  file_name?: string;
  width: number;
  height: number;
  annotation_status?: string;
  annotation_comment?: string;
}

/** How far people are with an image. */
export type ImageStatus = "open" | "done" | "empty" | "skipped" | "approved" | "returned";

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
  statuses: {status: ImageStatus; images: number}[];
}

export interface Neighbours {
  previous: number | null;
  next: number | null;
  /** From 0; `null` where the image is not in the filtered list: the others are those around it then. */
  position: number | null;
  total: number;
}

// Predictions

/** A layer; one that can't be read has a name and a `problem` alone. */
export interface Layer {
  name: string;
  /** Another one for other predictions. */
  version: string;
  created: string;
  predictions: number;
  min_score: number | null;
  max_score: number | null;
  problem?: string;
}

/** Which prediction an annotation came of. */
export interface Origin {
  layer: string;
  version: string;
  id: number;
  score: number;
  user?: string | null;
}

/** A prediction as the server gives it. */
export interface StoredPrediction extends Annotation {
  score: number;
  _layer: string;
  _version: string;
  _status: "open" | "accepted" | "rejected" | "missing";
}

/** A prediction on the open image. `covered`: an annotation of its category is where it is. */
export interface Prediction {
  annotation: Annotation;
  origin: Origin;
  score: number;
  covered: boolean;
  rejected: boolean;
}

// Calls

/** One of a batch. */
export type Operation =
  | {op: "add"; annotation: NewAnnotation}
  | {op: "update"; id: number; changes: Partial<Annotation>; if_match?: string}
  | {op: "delete"; id: number; if_match?: string}
  | {op: "restore"; annotation: Annotation};

/** What an operation has brought; both are `null` for one that deletes. */
export type Result = {annotation: Annotation; etag: string} | {annotation: null; etag: null};

/** A record that a change was about. */
export interface Edit {
  section: "images" | "annotations" | "categories";
  id: number;
  image_id: number | null;
  op: "add" | "update" | "delete";
}

// Several people

export type Role = "viewer" | "annotator" | "reviewer" | "admin";

/** Who calls. `by`: how that is known; `none` where everybody may do everything. */
export interface Caller {
  user: string;
  role: Role;
  by: "password" | "token" | "proxy" | "none";
}

export interface User {
  name: string;
  role: Role;
  active: boolean;
  has_password: boolean;
  created: string;
  /** The path of a link to set a password, where one was asked for; shown once. */
  link?: string;
}

/** A personal token. Times as ISO 8601 has them; `role` is `null` where it is the user's. */
export interface Token {
  id: string;
  name: string;
  role: Role | null;
  created: string;
  expires: string | null;
  used: string | null;
  /** The token itself; shown once. */
  token?: string;
}

/** A version of a record. The first one has no `revision`: nobody knows who made it. */
export interface Version {
  revision: number | null;
  time: string | number | null;
  user: string | null;
  record: Annotation | null;
}

/** A change as those who follow hear of it. */
export interface ToldChange {
  revision: number;
  /** In seconds since 1970, or as ISO 8601 has it. */
  time: number | string;
  user: string | null;
  edits: (Edit & {from_image_id?: number})[];
  /** How many edits there are beside these. */
  more?: number;
}

/** Where a client is; `since` in seconds since 1970. */
export interface Present {
  client: string;
  user: string | null;
  image_id: number | null;
  editing: boolean;
  since: number;
  /** It has left. */
  gone?: boolean;
}

export interface Hello {
  revision: number;
  present?: Present[];
}

/** `out`: somebody has to log in. */
export type StreamState = "connecting" | "following" | "polling" | "away" | "out";

export interface EventMessage {
  event: string;
  id: string | null;
  data: any;
}

/** Somebody who is there too. */
export interface Person {
  /** Stands for them and their client. */
  key: string;
  /** `null` where there are no users. */
  user: string | null;
  imageId: number | null;
  editing: boolean;
  /** In seconds since 1970. */
  since: number;
}

/** Who made a change and when (milliseconds since 1970). */
export interface Author {
  user: string | null;
  at: number;
}

/** The body that a call to `Path` is answered with. */
export type Body<Path extends string> =
  Path extends "api/status" ? Status :
  Path extends "api/stats" ? Statistics :
  Path extends "api/flush" ? {saved: boolean; summary: string} :
  Path extends `api/images/${number}/neighbours${string}` ? Neighbours :
  Path extends `api/images/${number}/annotations?with=etag` ? Tagged[] :
  Path extends `api/images/${number}` ? ImageRecord :
  Path extends `api/images?${string}` ? ListedImage[] :
  Path extends "api/annotations/batch" ? {results: Result[]} :
  Path extends `api/changes/${number}/undo` ? {revision: number; edits: Edit[]} :
  Path extends "api/categories?with=annotation_count" ? Category[] :
  Path extends "api/categories" ? Category :
  Path extends "api/predictions" ? Layer[] :
  Path extends `api/images/${number}/predictions?${string}` ? StoredPrediction[] :
  Path extends "api/me" ? Caller :
  Path extends "api/me/tokens" ? Token[] :
  Path extends "api/users" ? User[] :
  Path extends `api/annotations/${number}/history${string}` ? Version[] :
  unknown;

export interface Answer<B> {
  status: number;
  body: B;
  etag: string | null;
  /** The dataset's, when it answered. */
  revision: number;
  /** Of the change that this call made; `null` where it made none. */
  change: number | null;
  headers: Headers;
}

/** A call that changes something. */
export interface Request {
  method: "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
  ifMatch?: string;
}

// The open image

/** Of an entry in the session; it stays the same when a new annotation gets its id: `7`, `7#2` (the second with that id), `new-3`. */
export type Key = string;

/** An annotation of the open image, as the session has it. A changed one is another object. */
export interface Entry {
  key: Key;
  /** What is to be seen: the server's record with this page's unanswered changes applied. */
  annotation: Annotation;
  /** `null` until the server has given one. */
  id: number | null;
  etag: string | null;
  /** Has changes that the server has not answered. */
  pending: boolean;
  /** Why its geometry can't be drawn; then only the list shows it, with its text. */
  broken: string | null;
  /** The record as JSON, numbers as they came. */
  text: string;
  /** Somebody else's change that just came; `at` in milliseconds since 1970. */
  others: Author | null;
}

/** Tools work in `ready` and `away` only. */
export type SessionState = "closed" | "loading" | "ready" | "away" | "missing";

export interface Differences {
  added: Entry[];
  changed: Entry[];
  removed: Key[];
}

/** Two people changed one annotation; `theirs` is `null` where they deleted it. */
export interface Conflict {
  mine: Annotation | null;
  theirs: Annotation | null;
  before: Annotation;
  /** How many annotations the choice is for: a change of many asks once. */
  count: number;
  /** Who was faster, as far as it is known. */
  author: Author | null;
  resolve(choice: "mine" | "theirs"): void;
}

// Tools

export interface PointerInput {
  kind: "down" | "move" | "up" | "double" | "leave" | "cancel";
  /** The picture's pixels; may be outside of it. */
  x: number;
  y: number;
  button: 0 | 1 | 2;
  shift: boolean;
  ctrl: boolean;
  alt: boolean;
  touch: boolean;
  /** How many of the picture's pixels count as "on it". */
  reach: number;
  /** The pointer has gone beyond the drag threshold since it was pressed. */
  dragged: boolean;
  /** Screen pixels to one of the picture's. */
  scale: number;
  /** Of a move, the places on the way there: a hand is quicker than the screen. */
  way?: Point[];
}

export interface KeyInput {
  key: string;
  code: string;
  shift: boolean;
  ctrl: boolean;
  alt: boolean;
}

/** What is being drawn. */
export interface Draft {
  paths: {points: Point[]; closed: boolean; categoryId: number | null}[];
  handles: Point[];
  box?: [x: number, y: number, width: number, height: number];
  /** A new annotation as it would be. */
  shape?: Annotation;
  /** What paints, or erases, around the pointer. */
  pen?: {at: Point; radius: number; erases: boolean};
  keypoints?: {points: (Keypoint | null)[]; categoryId: number};
  /** Beside a point: what is to come there. */
  words?: {at: Point; text: string};
}

/** What a tool may do to the canvas. */
export interface ToolView {
  draft(draft: Draft | null): void;
  /** While dragging: show this instead of what the session has. */
  preview(key: Key, annotation: Annotation | null): void;
  say(message: string): void;
  crosshair(on: boolean): void;
  /** Back to the select tool. */
  done(): void;
}

export interface ToolContext {
  session: Session;
  view: ToolView;
  preferences: Preferences;
  categories: Pick<Categories, "keypointsOf" | "nameOf">;
}

/** What only one tool does: a command while it is in use, with a key and, where it can be done, a button. */
export interface ToolAct {
  name: string;
  title: string;
  /** Of the button. */
  text: string;
  key: string;
  icon: string;
  can(): boolean;
  /** Of what is on or off: whether it is on. */
  pressed?(): boolean;
  run(): void;
}

/** The key that chooses it stands in its listing: `key` here takes keys while it is in use. */
export interface Tool {
  name: string;
  title: string;
  icon: string;
  /** One line for the editor. */
  hint(): string;
  cursor(input: PointerInput | null): string;
  activate(): void;
  /** `true` where something was given up, so that Escape goes no further. */
  cancel(): boolean;
  pointer(input: PointerInput): void;
  key(input: KeyInput): boolean;
  /** One corner back. */
  undo(): boolean;
  /** Something is in the making. */
  busy(): boolean;
  acts?: ToolAct[];
  /** The wheel was turned, without Ctrl: by so many steps, down where it is positive. `false`: it zooms, as ever. */
  wheel?(steps: number): boolean;
}

/** An entry of `tools/index.js`. */
export interface ToolListing {
  name: string;
  title: string;
  key: string;
  icon: string;
  /** It is for what is selected: its button is there only where something is. */
  forSelection?: boolean;
  make(context: ToolContext): Tool;
  /** Why it can't be used here, in words; `null` where it can. */
  lacks?(): string | null;
}

// The page

export interface Route {
  view: "images" | "image" | "statistics";
  id: number | null;
  query: URLSearchParams;
}

/** Anything that URLSearchParams takes. */
export type Query = ConstructorParameters<typeof URLSearchParams>[0];

export interface Command {
  id: string;
  title: string;
  /** Such as `d`, `ArrowRight`, `Ctrl+Shift+Z`. */
  keys: string[];
  scope: "everywhere" | "editor" | "gallery";
  icon?: string;
  group?: string;
  /** Whether it means anything now. */
  when?: () => boolean;
  /** Why this person can't do it, in words; `null` where they can. */
  lacks?: () => string | null;
  run: () => unknown;
}

/** Properties and listeners of an element. */
export type Properties = Record<string, string | number | boolean | null | undefined | ((event: any) => unknown)>;
export type Child = Node | string | null | undefined;

export interface Choice<T> {
  value: T | null;
  text: string;
  primary?: boolean;
  danger?: boolean;
}
