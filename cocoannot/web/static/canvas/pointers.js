// The pointers of mouse, pen and fingers: what of them moves the picture, and what is for the tool.
//
//   idle --press--> tool --beyond the threshold, on ground that the tool leaves to the picture--> pan
//   idle --middle button, or Space held--> pan
//   tool, pan --a second finger--> pinch (what the tool began is given up)
//   tool --a finger that rests--> a right click, then nothing until it is lifted

/** @import {PointerInput} from "../types.js" */

/** In screen pixels. */
const THRESHOLD = {mouse: 4, touch: 10};
const REACH = {mouse: 8, touch: 22};
/** In milliseconds. */
const LONG_PRESS = 500;
const DOUBLE_CLICK = 400;
/** What a wheel with notches says for one of them, in screen pixels. */
const NOTCH = 100;

/** @typedef {"idle" | "tool" | "pan" | "pinch" | "spent"} Mode */

/**
 * @typedef {object} Ground
 * @property {(clientX: number, clientY: number) => [x: number, y: number]} pixelAt
 * @property {() => number} scale
 * @property {(dx: number, dy: number) => void} panBy
 * @property {(factor: number, anchor: [number, number]) => void} zoomBy
 * @property {(input: PointerInput) => void} deliver To the tool.
 * @property {(input: PointerInput) => boolean} pans Whether a drag that begins there is for the picture.
 * @property {(steps: number) => boolean} wheel Whether the tool took the wheel; else it zooms.
 * @property {(event: PointerEvent | null) => void} moved The pointer is there, `null`: not on the canvas.
 */

export class Pointers {
  /** @type {Map<number, PointerEvent>} Those that are down, as they are now. */
  #down = new Map();
  /** @type {Mode} */
  #mode = "idle";
  /** @type {PointerEvent | null} Where the gesture began. */
  #start = null;
  #dragged = false;
  /** The drag is for the picture once there is one. */
  #mayPan = false;
  #space = false;
  /** @type {PointerEvent | null} The click before. */
  #click = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;

  /**
   * @param {HTMLElement} element
   * @param {Ground} ground
   */
  constructor(element, ground) {
    this.element = element;
    this.ground = ground;
    element.style.touchAction = "none";
    element.addEventListener("pointerdown", (event) => this.#press(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", (event) => this.#lift(event));
    element.addEventListener("pointercancel", (event) => this.#lose(event));
    element.addEventListener("pointerleave", (event) => this.#leave(event));
    element.addEventListener("wheel", (event) => this.#wheel(event), {passive: false});
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    addEventListener("keydown", (event) => this.#setSpace(event, true));
    addEventListener("keyup", (event) => this.#setSpace(event, false));
    addEventListener("blur", () => (this.#space = false));
  }

  /** @param {PointerEvent} event */
  #press(event) {
    this.#down.set(event.pointerId, event);
    this.element.setPointerCapture(event.pointerId);
    clearTimeout(this.#resting);
    if (this.#down.size > 1) return this.#pinch();
    // A second button while the first one is down begins nothing; browsers tell it as a move.
    [this.#start, this.#dragged] = [event, false];
    if (event.button === 1 || this.#space) {
      event.preventDefault();
      this.#become("pan");
    } else {
      this.#become("tool");
      const input = this.#input(event, "down");
      this.#mayPan = this.ground.pans(input);
      this.ground.deliver(input);
      if (event.pointerType === "touch") this.#resting = setTimeout(() => this.#longPress(event), LONG_PRESS);
    }
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const before = this.#down.get(event.pointerId);
    this.ground.moved(event);
    if (!before) {
      if (this.#mode === "idle") this.ground.deliver(this.#input(event, "move"));
      return;
    }
    const spread = this.#spread();
    this.#down.set(event.pointerId, event);
    if (this.#mode === "pinch") this.#stretch(spread);
    if (this.#mode === "pan") this.ground.panBy(event.clientX - before.clientX, event.clientY - before.clientY);
    if (this.#mode === "tool") this.#drag(event);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    const start = /** @type {PointerEvent} */ (this.#start);
    const by = [event.clientX - start.clientX, event.clientY - start.clientY];
    this.#dragged ||= Math.hypot(...by) > THRESHOLD[kindOf(event)];
    if (this.#dragged) clearTimeout(this.#resting);
    if (this.#dragged && this.#mayPan) {
      this.ground.deliver(this.#input(event, "cancel"));
      this.#become("pan");
      this.ground.panBy(by[0], by[1]);
    } else {
      this.ground.deliver(this.#input(event, "move"));
    }
  }

  /** @param {PointerEvent} event */
  #lift(event) {
    clearTimeout(this.#resting);
    if (!this.#down.delete(event.pointerId)) return;
    if (this.#mode === "tool") {
      this.ground.deliver(this.#input(event, "up"));
      this.#countClicks(event);
    }
    if (!this.#down.size) this.#become("idle");
    else if (this.#mode === "pinch") this.#become("pan");
    if (event.pointerType === "touch") this.ground.moved(null);
  }

  /** @param {PointerEvent} event */
  #lose(event) {
    clearTimeout(this.#resting);
    this.#down.delete(event.pointerId);
    if (this.#mode === "tool") this.ground.deliver(this.#input(event, "cancel"));
    this.#become(this.#down.size ? "spent" : "idle");
  }

  /** @param {PointerEvent} event */
  #leave(event) {
    this.ground.moved(null);
    if (this.#mode === "idle") this.ground.deliver(this.#input(event, "leave"));
  }

  /** A finger has no right button: resting is one. @param {PointerEvent} event */
  #longPress(event) {
    this.ground.deliver(this.#input(event, "cancel"));
    this.ground.deliver({...this.#input(event, "down"), button: 2});
    this.ground.deliver({...this.#input(event, "up"), button: 2});
    this.#become("spent");
  }

  /** Also for fingers, for which browsers don't tell it. @param {PointerEvent} event */
  #countClicks(event) {
    const before = this.#click;
    this.#click = this.#dragged || event.button !== 0 ? null : event;
    if (!before || !this.#click || event.timeStamp - before.timeStamp > DOUBLE_CLICK) return;
    if (Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) > THRESHOLD[kindOf(event)] * 2) return;
    this.#click = null;
    this.ground.deliver(this.#input(event, "double"));
  }

  #pinch() {
    if (this.#mode === "tool") this.ground.deliver(this.#input(/** @type {PointerEvent} */ (this.#start), "cancel"));
    this.#become(this.#mode === "spent" ? "spent" : "pinch");
  }

  /** @param {{x: number, y: number, distance: number}} before */
  #stretch(before) {
    const after = this.#spread();
    this.ground.panBy(after.x - before.x, after.y - before.y);
    if (before.distance && after.distance) this.ground.zoomBy(after.distance / before.distance, [after.x, after.y]);
  }

  /** The middle of two fingers, and how far apart they are. */
  #spread() {
    const [one, other = one] = [...this.#down.values()];
    return {
      x: (one.clientX + other.clientX) / 2, y: (one.clientY + other.clientY) / 2,
      distance: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY),
    };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    // Lines and pages, as some browsers count; a pinch on a trackpad comes as small steps with Ctrl.
    const pixels = event.deltaY * [1, 33, 400][event.deltaMode];
    if (!event.ctrlKey && this.ground.wheel(pixels / NOTCH)) return;
    const speed = event.ctrlKey ? 0.01 : 0.0022;
    this.ground.zoomBy(Math.exp(-Math.max(-300, Math.min(300, pixels)) * speed), [event.clientX, event.clientY]);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {boolean} down
   */
  #setSpace(event, down) {
    if (event.code !== "Space") return;
    const target = /** @type {HTMLElement | null} */ (event.target instanceof HTMLElement ? event.target : null);
    // On a button or in a field, Space is theirs.
    if (down && target?.closest("input, textarea, select, button, a, [contenteditable], [role=dialog]")) return;
    if (down) event.preventDefault();
    this.#space = down;
    if (this.#mode === "idle") this.element.style.cursor = down ? "grab" : "";
  }

  /** @param {Mode} mode */
  #become(mode) {
    this.#mode = mode;
    if (mode === "pan") this.element.style.cursor = "grabbing";
    if (mode === "idle") this.element.style.cursor = this.#space ? "grab" : "";
  }

  /**
   * @param {PointerEvent} event
   * @param {PointerInput["kind"]} kind
   * @returns {PointerInput}
   */
  #input(event, kind) {
    const [x, y] = this.ground.pixelAt(event.clientX, event.clientY);
    const scale = this.ground.scale();
    const way = kind === "move" ? event.getCoalescedEvents().map((each) => this.ground.pixelAt(each.clientX, each.clientY)) : undefined;
    // While a button is down, browsers say -1 for those of a move.
    const button = /** @type {0 | 1 | 2} */ (Math.min(2, Math.max(0, kind === "move" ? (this.#start?.button ?? 0) : event.button)));
    return {
      kind, x, y, way, button, scale, reach: REACH[kindOf(event)] / scale, dragged: this.#dragged, touch: event.pointerType === "touch",
      shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey, alt: event.altKey,
    };
  }
}

/** @param {PointerEvent} event */
const kindOf = (event) => (event.pointerType === "touch" ? "touch" : "mouse");
