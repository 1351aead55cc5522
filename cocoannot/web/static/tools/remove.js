// Takes single parts, corners and holes away from the shape that is selected: a click takes what is lit, a corner before a part.
// Each is one change.

import {contour} from "../geometry/contour.js";
import {contains, nearestEdge} from "../geometry/polygons.js";
import * as regions from "../geometry/regions.js";
import * as spans from "../geometry/spans.js";
import {draw, handleAt, handles, kindOf, withoutHandle} from "../shapes/registry.js";
import {changeable} from "./aim.js";
import {mayDraw} from "./may_draw.js";
import {maskLike, paintable} from "./painted.js";

/** @import {Annotation, Entry, KeyInput, Point, PointerInput, Tool, ToolContext} from "../types.js" */
/** @import {Changes, Handle} from "../shapes/types.js" */
/** @import {Spans} from "../geometry/spans.js" */

/**
 * What can be taken away: its rings to be lit, or its place where it is a corner; `change` gives `null` where it has to stay.
 * @typedef {{rings: Point[][], corner: Point | null, holds: (point: Point) => boolean, change: () => Changes | null}} Piece
 */

/**
 * @param {ToolContext} context
 * @returns {Tool}
 */
export function make(context) {
  const remove = new Remove(context);
  const can = () => remove.pieces.length > 1;
  return {
    name: "remove", title: "Remove a part or a corner", icon: "remove-part",
    hint: () => remove.hint(),
    cursor: () => "pointer",
    activate: () => remove.activate(),
    cancel: () => remove.drop(),
    pointer: (input) => remove.pointer(input),
    key: (input) => remove.key(input),
    undo: () => false,
    busy: () => false,
    acts: [
      {name: "previous", title: "The part or corner before", text: "Before", key: "[", icon: "previous", can, run: () => remove.step(-1)},
      {name: "next", title: "The next part or corner", text: "Next", key: "]", icon: "next", can, run: () => remove.step(1)},
      {name: "take", title: "Take away what is lit", text: "Remove", key: "Delete", icon: "delete", can: () => remove.lit !== null, run: () => remove.take()},
    ],
  };
}

class Remove {
  /** @type {Piece | null} */
  lit = null;
  /** @type {{annotation: Annotation, pieces: Piece[]} | null} */
  #known = null;

  /** @param {ToolContext} context */
  constructor(context) {
    this.context = context;
    const {session} = context;
    session.on("differences", () => session.tool === "remove" && this.#followChange());
  }

  /** @returns {Entry | null} */
  get target() {
    const [entry, ...others] = changeable(this.context.session);
    return entry && !others.length && paintable(entry.annotation) ? entry : null;
  }

  /** Parts and holes first, then corners. */
  get pieces() {
    const {target} = this;
    if (!target) return [];
    if (this.#known?.annotation !== target.annotation) this.#known = {annotation: target.annotation, pieces: piecesOf(target.annotation)};
    return this.#known.pieces;
  }

  activate() {
    const {view} = this.context;
    view.crosshair(false);
    if (this.target) return this.#light(null);
    view.say("Select one annotation with polygons or a mask first");
    view.done();
  }

  drop() {
    this.lit = null;
    this.context.view.draft(null);
    return false;
  }

  /** @param {PointerInput} input */
  pointer(input) {
    if (input.kind === "leave" || input.kind === "cancel") return this.#light(null);
    if (input.kind === "move" || input.kind === "down") this.#light(this.#under(input));
    if (input.kind === "up" && input.button === 0 && !input.dragged) this.take();
  }

  /** @param {KeyInput} input */
  key({key}) {
    if (key !== "Enter" && key !== "Backspace" && key !== "Delete") return false;
    this.take();
    return true;
  }

  /** @param {number} by */
  step(by) {
    const {pieces} = this;
    const at = this.lit ? pieces.indexOf(this.lit) : by > 0 ? -1 : 0;
    this.#light(pieces[(at + by + pieces.length) % pieces.length] ?? null);
  }

  take() {
    const {session, view} = this.context;
    const {lit, target} = this;
    if (!target || !mayDraw(this.context)) return;
    if (!lit) return view.say("Point at a part or at a corner");
    const changes = lit.change();
    if (!changes) return view.say(lit.corner ? "A polygon needs three corners: delete the annotation instead" : "It is the last part: delete the annotation instead");
    session.update(target.key, changes);
    this.#light(null);
  }

  hint() {
    return "Click a part, a hole of a mask or a corner to remove it; [ and ] light one after another, Delete removes what is lit";
  }

  /** The server has answered, or somebody has changed it: the same is lit, where there are as many. */
  #followChange() {
    const {pieces: before = []} = this.#known ?? {};
    const at = this.lit ? before.indexOf(this.lit) : -1;
    const {pieces} = this;
    this.#light((pieces.length === before.length && pieces[at]) || null);
  }

  /** @param {PointerInput} input */
  #under({x, y, reach, scale}) {
    const {target, pieces} = this;
    const handle = target && handleAt(target.annotation, [x, y], reach, scale);
    const corner = handle?.kind === "vertex" ? pieces.find((piece) => isAt(piece, handle)) : null;
    return corner ?? pieces.find((piece) => !piece.corner && piece.holds([x, y])) ?? null;
  }

  /** @param {Piece | null} piece */
  #light(piece) {
    const {view} = this.context;
    this.lit = piece;
    if (!piece) return view.draft(null);
    const categoryId = this.target?.annotation.category_id ?? null;
    view.draft({paths: piece.rings.map((points) => ({points, closed: true, categoryId})), handles: piece.corner ? [piece.corner] : []});
  }
}

/** @param {Piece} piece @param {Handle} handle */
const isAt = ({corner}, {at}) => corner?.[0] === at[0] && corner[1] === at[1];

/** @param {Annotation} annotation */
function piecesOf(annotation) {
  return kindOf(annotation) === "polygon" ? [...polygonsOf(annotation), ...cornersOf(annotation)] : areasOf(annotation);
}

/** @param {Annotation} annotation @returns {Piece[]} */
function polygonsOf(annotation) {
  const parts = /** @type {number[][]} */ (annotation.segmentation);
  return draw(annotation).rings.map((ring, i) => ({
    rings: [ring],
    corner: null,
    holds: (point) => contains(ring, point) || nearestEdge(ring, point).distance < 1,
    change: () => (parts.length > 1 ? {segmentation: parts.toSpliced(i, 1)} : null),
  }));
}

/** @param {Annotation} annotation @returns {Piece[]} */
const cornersOf = (annotation) =>
  handles(annotation).flatMap((handle) =>
    handle.kind === "vertex" ? [{rings: [], corner: handle.at, holds: () => false, change: () => withoutHandle(annotation, handle)}] : []);

/**
 * Parts and holes of a mask.
 * @param {Annotation} annotation
 * @returns {Piece[]}
 */
function areasOf(annotation) {
  const {size} = /** @type {import("../types.js").Rle} */ (annotation.segmentation);
  const all = /** @type {Spans} */ (paintable(annotation)?.(size));
  const [parts, holes] = [regions.partsOf(all), regions.holesOf(all)];
  /** @type {(pieces: import("../geometry/spans.js").Piece[], operation: "union" | "difference", isLast: boolean) => Piece} */
  const make = (pieces, operation, isLast) => ({
    get rings() {
      return contour(spans.toRuns(spans.fromPieces(pieces, size)), size[0]);
    },
    corner: null,
    holds: ([x, y]) => pieces.some(([column, top, bottom]) => column === Math.floor(x) && y >= top && y < bottom),
    change: () => (isLast ? null : {segmentation: maskLike(annotation, spans.toRuns(spans.combined(all, spans.fromPieces(pieces, size), operation)), size)}),
  });
  return [...parts.map((pieces) => make(pieces, "difference", parts.length === 1)), ...holes.map((pieces) => make(pieces, "union", false))];
}
