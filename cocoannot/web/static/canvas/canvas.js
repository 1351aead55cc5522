// The open image to look at and to work on: joins picture, shapes, what lies above them and the pointers to the session and
// its tool. OpenLayers is known in this folder only. It changes nothing itself: tools do, through the session.

import {bounds} from "../shapes/registry.js";
import {Emitter} from "../state/emitter.js";
import {Crosshair} from "./crosshair.js";
import {Dashed} from "./dashed.js";
import {Looks} from "./looks.js";
import {Opening} from "./opening.js";
import {Overlay} from "./overlay.js";
import {Picture} from "./picture.js";
import {Pointers} from "./pointers.js";
import {Scene} from "./scene.js";
import {Stage} from "./stage.js";

/** @import {Categories, Differences, Key, PointerInput, Preferences, Session, Tool, ToolView} from "../types.js" */
/** @import {Predictions} from "../state/predictions.js" */
/** @import {Found} from "./picture.js" */

/**
 * `painted`: picture and shapes are on the screen. `done`: the tool wants to be put away. `hint`: the tool has another one.
 * @typedef {{zoom: number, painted: number, picture: Found, say: string, done: undefined, hint: undefined, pointer: PointerInput}} Events
 */

/** @extends {Emitter<Events>} */
export class Canvas extends Emitter {
  /** @type {ToolView} */
  view;
  #session;
  #scene;
  #overlay;
  #dashed;
  #stage;
  #opening;
  #crosshair;
  /** @type {Tool | null} */
  #tool = null;
  #hint = "";

  /**
   * @param {HTMLElement} element
   * @param {{session: Session, preferences: Preferences, categories: Categories, predictions: Predictions}} parts
   */
  constructor(element, {session, preferences, categories, predictions}) {
    super();
    this.#session = session;
    const looks = new Looks(preferences, categories);
    const picture = new Picture(element, preferences);
    this.#scene = new Scene(session, looks);
    this.#stage = new Stage(element, [picture.layer, this.#scene.layer]);
    this.#dashed = new Dashed(predictions, looks, this.#stage, () => this.#opening?.open ?? false);
    this.#overlay = new Overlay(session, looks, this.#stage);
    this.#stage.on("zoom", (zoom) => this.emit("zoom", zoom));
    this.#opening = new Opening({session, picture, scene: this.#scene, overlay: this.#overlay, stage: this.#stage});
    this.#crosshair = new Crosshair(element);
    this.element = element;
    this.preferences = preferences;
    this.view = this.#makeView();
    this.#listen(categories);
    this.#point();
  }

  // For the views

  /** @param {Tool} tool */
  setTool(tool) {
    if (tool === this.#tool) return;
    this.#tool?.cancel();
    this.#tool = tool;
    this.#crosshair.want(false);
    this.#overlay.draft = null;
    this.#overlay.handles = tool.name === "select";
    this.element.style.cursor = tool.cursor(null);
    this.#overlay.render();
    tool.activate();
    this.#tellHint();
  }

  fit() {
    this.#stage.fit();
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.#stage.zoomBy(factor);
  }

  /** Screen pixels to one of the picture's. */
  get zoom() {
    return this.#stage.zoom;
  }

  /** How many shapes were drawn anew since the start. */
  get touched() {
    return this.#scene.touched;
  }

  /** Where a pixel of the picture is in the window. @param {number} x @param {number} y */
  placeOf(x, y) {
    return this.#stage.placeOf(x, y);
  }

  /** @param {Key} key */
  panTo(key) {
    const box = this.#boundsOf(key);
    if (box) this.#stage.panTo(box);
  }

  /** @param {Key} key */
  zoomTo(key) {
    const box = this.#boundsOf(key);
    if (box) this.#stage.zoomTo(box);
  }

  // Inside

  /** @param {Key} key */
  #boundsOf(key) {
    const entry = this.#session.entries.get(key);
    return entry && !entry.broken ? bounds(entry.annotation) : null;
  }

  /** @returns {ToolView} */
  #makeView() {
    const overlay = this.#overlay;
    return {
      draft: (draft) => {
        overlay.draft = draft;
        this.#changed();
      },
      preview: (key, annotation) => {
        if (annotation) overlay.previews.set(key, annotation);
        else overlay.previews.delete(key);
        this.#scene.setAway(key, annotation !== null);
        this.#changed();
      },
      say: (message) => this.emit("say", message),
      crosshair: (on) => this.#crosshair.want(on && this.preferences.get("crosshair")),
      done: () => this.emit("done"),
    };
  }

  /** @param {Categories} categories */
  #listen(categories) {
    const session = this.#session;
    session.on("differences", (differences) => this.#take(differences));
    session.on("selection", () => this.#reselect());
    session.on("hover", () => this.#overlay.render());
    session.on("visibility", () => this.#refresh());
    // Only what is being drawn has the next shape's colour.
    session.on("category", () => (this.#overlay.draft ? this.#changed() : this.#tellHint()));
    categories.on("change", () => this.#restyle());
    this.preferences.on("change", (name) => {
      if (name === "fillOpacity" || name === "showLabels" || name === "colourBy") this.#restyle();
      if (name === "crosshair") this.#crosshair.want(this.preferences.get("crosshair") && this.#tool?.name !== "select");
    });
    for (const event of /** @type {const} */ (["painted", "picture"])) this.#opening.on(event, (detail) => this.emit(event, detail));
    this.#opening.on("leave", () => this.#tool?.cancel());
  }

  #point() {
    const stage = this.#stage;
    new Pointers(this.element, {
      pixelAt: (x, y) => stage.pixelAt(x, y),
      scale: () => stage.zoom,
      panBy: (dx, dy) => stage.panBy(dx, dy),
      zoomBy: (factor, anchor) => stage.zoomBy(factor, anchor),
      pans: (input) => !this.#opening.open || this.#pans(input),
      deliver: (input) => this.#deliver(input),
      wheel: (steps) => this.#opening.open && (this.#tool?.wheel?.(steps) ?? false),
      moved: (event) => this.#crosshair.show(event),
    });
  }

  /** @param {PointerInput} input */
  #pans(input) {
    const tool = /** @type {import("../tools/types.js").PanningTool | null} */ (this.#tool);
    return tool?.pans?.(input) ?? false;
  }

  /** @param {PointerInput} input */
  #deliver(input) {
    if (this.#overlay.touch !== input.touch) this.#overlay.touch = input.touch;
    if (!this.#opening.open || !this.#tool) return;
    this.#tool.pointer(input);
    if (input.kind !== "leave") this.element.style.cursor = this.#tool.cursor(input);
    this.#tellHint();
    this.emit("pointer", input);
  }

  /** @param {Differences} differences */
  #take({added, changed, removed}) {
    this.#scene.remove(removed);
    for (const key of removed) this.#overlay.previews.delete(key);
    // Before, they come with the picture.
    if (!this.#opening.open) return;
    this.#scene.setAll([...added, ...changed]);
    this.#overlay.notice([...added, ...changed]);
    this.#overlay.render();
  }

  #reselect() {
    if (this.#session.visibility.onlySelected) this.#scene.refresh();
    this.#changed();
  }

  #refresh() {
    this.#scene.refresh();
    this.#overlay.render();
  }

  #restyle() {
    this.#scene.restyle();
    this.#dashed.render();
    this.#overlay.render();
  }

  /** What lies above the shapes has changed, and maybe what the tool has to say. */
  #changed() {
    this.#overlay.render();
    this.#tellHint();
  }

  #tellHint() {
    const hint = this.#tool?.hint() ?? "";
    if (hint === this.#hint) return;
    this.#hint = hint;
    this.emit("hint");
  }
}
