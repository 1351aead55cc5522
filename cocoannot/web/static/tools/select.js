// Selects, moves and reshapes. A click changes nothing but the selection; only a drag changes a shape, and only one that
// was selected before it began. A drag from anywhere else moves the picture, with Shift it selects.

import {frameOf} from "../geometry/placing.js";
import {withCorner} from "../shapes/polygon.js";
import {together} from "../shapes/group.js";
import {kindOf, moved, switched, withoutHandle} from "../shapes/registry.js";
import {arrowOf} from "./arrows.js";
import {mayDraw} from "./may_draw.js";
import {changeable, grip, onSelected, under} from "./aim.js";
import {moving, reshaping, selecting} from "./drags.js";

/** @import {Entry, KeyInput, PointerInput, ToolContext} from "../types.js" */
/** @import {Drag} from "./drags.js" */
/** @import {Handle} from "../shapes/types.js" */
/** @import {PanningTool} from "./types.js" */

/**
 * @param {ToolContext} context
 * @returns {PanningTool}
 */
export function make(context) {
  const {session, view} = context;
  /** @type {PointerInput | null} Where the pointer went down. */
  let pressed = null;
  /** @type {Drag | null} */
  let drag = null;
  /** @type {string | null} What can be done with the handle under the pointer. */
  let aside = null;

  const giveUp = () => {
    const wasDragging = drag !== null;
    drag?.giveUp();
    drag = pressed = null;
    return wasDragging;
  };

  const move = (/** @type {PointerInput} */ input) => {
    if (!pressed) return session.hover(input.kind === "leave" ? null : (under(session, input)[0]?.key ?? null));
    if (!input.dragged || pressed.button !== 0) return;
    drag ??= begin(context, pressed);
    if (!drag) pressed = null;
    drag?.follow([input.x - (pressed?.x ?? 0), input.y - (pressed?.y ?? 0)]);
  };

  const release = (/** @type {PointerInput} */ input) => {
    if (drag) {
      move(input);
      drag.keep();
    } else if (pressed && !input.dragged) {
      click(context, pressed);
    }
    drag = pressed = null;
  };

  return {
    name: "select", title: "Select", icon: "select",
    hint: () => aside ?? hint(context),
    cursor: (input) => (input ? cursor(context, input, drag !== null) : "default"),
    pans: (input) => input.button === 0 && !input.shift && !grip(session, input) && !onSelected(session, input),
    activate: () => view.crosshair(false),
    cancel: giveUp,
    pointer(input) {
      aside = input.kind === "leave" ? null : hintAt(context, input);
      if (input.kind === "down") {
        giveUp();
        pressed = input;
      } else if (input.kind === "up") release(input);
      else if (input.kind === "cancel") giveUp();
      else if (input.kind === "double") addCorner(context, input);
      else move(input);
    },
    key: (input) => (input.key === "Escape" ? giveUp() : nudge(context, input)),
    undo: () => false,
    busy: () => drag !== null,
  };
}

/**
 * What a drag from there does; `null` where it does nothing.
 * @param {ToolContext} context
 * @param {PointerInput} pressed
 * @returns {Drag | null}
 */
function begin(context, pressed) {
  const {session} = context;
  const held = grip(session, pressed);
  if (!held && pressed.shift) return selecting(context, [pressed.x, pressed.y]);
  if (!held && !onSelected(session, pressed)) return null;
  if (!mayDraw(context)) return null;
  return held ? reshaping(context, held.entry, held.handle) : moving(context, changeable(session));
}

/**
 * @param {ToolContext} context
 * @param {PointerInput} input
 */
function click(context, input) {
  const {session} = context;
  const held = grip(session, input);
  const onPoint = held && (held.handle.kind === "vertex" || held.handle.kind === "keypoint");
  if (onPoint && (input.button === 2 || (input.button === 0 && input.alt))) return changePoint(context, held, input.alt ? withoutHandle : switched);
  if (input.button === 1) return;
  const key = under(session, input)[0]?.key;
  // A right click is for the corners of what is selected: beside them it takes nothing away. A finger that rests is Ctrl+click.
  const many = input.ctrl || input.shift || (input.touch && input.button === 2);
  if (key !== undefined) session.select([key], many ? "toggle" : "replace");
  else if (input.button === 0 && !input.ctrl && !input.shift) session.select([]);
}

/**
 * A corner is removed; a keypoint is hidden or seen, or not there any more.
 * @param {ToolContext} context
 * @param {{entry: Entry, handle: Handle}} held
 * @param {typeof withoutHandle} change
 */
function changePoint(context, {entry, handle}, change) {
  if (!mayDraw(context)) return;
  const changes = change(entry.annotation, handle);
  if (changes) context.session.update(entry.key, changes);
  else context.view.say(`A ${handle.kind === "keypoint" ? "shape needs one keypoint" : "polygon needs three corners"}: delete the annotation instead`);
}

/**
 * A double click on an edge of the selected polygon adds a corner there.
 * @param {ToolContext} context
 * @param {PointerInput} input
 */
function addCorner(context, input) {
  const {session} = context;
  const [entry] = changeable(session);
  if (!entry || session.selection.size !== 1 || kindOf(entry.annotation) !== "polygon" || input.alt) return;
  if (grip(session, input)?.handle.kind === "vertex") return;
  const changes = withCorner(entry.annotation, [input.x, input.y], input.reach);
  if (changes && mayDraw(context)) session.update(entry.key, changes);
}

/**
 * Arrows move what is selected by a pixel, with Shift by ten.
 * @param {ToolContext} context
 * @param {KeyInput} input
 */
function nudge(context, input) {
  const {session} = context;
  const arrow = arrowOf(input);
  const entries = arrow ? changeable(session) : [];
  if (!arrow || !entries.length) return false;
  if (!mayDraw(context)) return true;
  const frame = frameOf(session.image);
  const [dx, dy] = together(entries.map(({annotation}) => annotation), arrow, frame);
  if (dx || dy) session.updateMany(entries.map((entry) => [entry.key, moved(entry.annotation, dx, dy, frame)]));
  return true;
}

/**
 * @param {ToolContext} context
 * @param {PointerInput} input
 * @param {boolean} dragging
 */
function cursor({session}, input, dragging) {
  const held = grip(session, input);
  if (held) return held.handle.cursor;
  if (dragging || onSelected(session, input)) return "move";
  return under(session, input).length ? "pointer" : "default";
}

/** @param {ToolContext} context */
function hint({session}) {
  const [entry, ...others] = changeable(session);
  if (!entry) return "Click a shape to select it; drag the ground to move the picture; Shift+drag selects many";
  if (others.length) return "Drag or arrows move all that are selected; Ctrl+click or a long press adds and takes away";
  if (kindOf(entry.annotation) !== "polygon") return "Drag the shape or its handles; arrows move it, with Shift by 10 pixels";
  return "Drag corners, or the middle of an edge for one more; right click, Alt+click or a long press removes a corner";
}

/**
 * What can be done with the keypoint under the pointer; `null` where there is none.
 * @param {ToolContext} context
 * @param {PointerInput} input
 */
function hintAt({session, categories}, input) {
  const {entry, handle} = grip(session, input) ?? {};
  if (!entry || handle?.kind !== "keypoint") return null;
  const names = categories.keypointsOf(entry.annotation.category_id ?? null);
  const name = names[handle.index] ?? "Keypoint";
  return `${name}, ${handle.index + 1} of ${names.length}: drag it; right click or a long press hides or shows it; Alt+click: not there`;
}
