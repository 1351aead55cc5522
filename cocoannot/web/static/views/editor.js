// One image: rail, bar, picture and lists put together. What is done with the image is the session's, what is drawn the canvas'.

import {Canvas} from "../canvas/canvas.js";
import {messageOf} from "../net/api.js";
import {arrived, go, imageAddress, imagesAddress} from "../state/router.js";
import {Steps} from "../state/steps.js";
import {Copies} from "../tools/copies.js";
import {tools} from "../tools/index.js";
import {CanvasArea} from "./canvas_area.js";
import {CategoryChoice} from "./category_choice.js";
import {pinCategory} from "./category_keys.js";
import {CategoryList} from "./category_list.js";
import {settleConflicts} from "./conflicts.js";
import {confirm} from "./dialogs.js";
import {oncePerFrame} from "./dom.js";
import {EditorBar} from "./editor_bar.js";
import {addEditorCommands} from "./editor_commands.js";
import {chipsOf} from "./filter_words.js";
import {OnThisImage} from "./here.js";
import {InForce} from "./in_force.js";
import {addManyCommands} from "./many_commands.js";
import {makeMore} from "./more.js";
import {Objects} from "./objects.js";
import {titleOf} from "./objects_order.js";
import {addPredictionCommands, PredictionsPanel} from "./predictions_panel.js";
import {makeRail} from "./rail.js";
import {showRecord} from "./record_dialog.js";
import {makeSeeing} from "./seeing.js";
import {makeShapeMenu} from "./shape_menu.js";
import {Sidebar} from "./sidebar.js";
import {makeStrip} from "./strip.js";
import {toast} from "./toasts.js";
import {nameOr} from "./words.js";
import {makeWorkState} from "./work_state.js";

/** @import {Categories, Commands, Entry, ImageList, KeyInput, Preferences, Session, Tool} from "../types.js" */
/** @import {CommandButtons} from "./command_button.js" */
/** @import {Me} from "../state/me.js" */
/** @import {Presence} from "../state/presence.js" */
/** @import {Predictions} from "../state/predictions.js" */
/** @import {Work} from "../state/work.js" */

/**
 * @typedef {object} Parts
 * @property {Session} session
 * @property {Categories} categories
 * @property {Commands} commands
 * @property {Preferences} preferences
 * @property {ImageList} imageList
 * @property {CommandButtons} buttons
 * @property {Me} me
 * @property {Presence} presence
 * @property {Predictions} predictions
 * @property {Work} work
 * @property {(title: string) => Promise<number | null>} pickCategory
 */

export class Editor {
  /** @type {Map<string, Tool>} */
  #tools = new Map();
  #steps = new Steps((step) => this.#goOne(step));

  /**
   * @param {HTMLElement} element
   * @param {Parts} parts
   */
  constructor(element, parts) {
    const {session, categories, preferences, buttons, me, predictions} = parts;
    this.parts = parts;
    this.choice = new CategoryChoice(parts);
    this.area = new CanvasArea({session, work: parts.work, toImages: () => this.toImages(), showBroken: () => this.#showBroken()});
    this.canvas = new Canvas(this.area.canvas, {session, preferences, categories, predictions});
    for (const {name, make} of tools) this.#tools.set(name, make({session, view: this.canvas.view, preferences, categories}));
    this.copies = new Copies({session, view: this.canvas.view});
    this.#addCommands();
    this.area.element.append(makeStrip({session, buttons, acts: this.#acts()}), new PredictionsPanel(parts, buttons).element);
    this.here = new OnThisImage();
    const shapes = makeShapeMenu(parts, this.canvas.view, () => this.tool);
    this.bar = new EditorBar({
      buttons,
      shapes,
      here: this.here.element,
      work: makeWorkState({...parts, toCanvas: () => this.area.canvas.focus({preventScroll: true})}),
      seeing: makeSeeing(parts),
      more: makeMore(buttons),
      toggleSidebar: () => this.sidebar.toggle(),
    });
    this.objects = this.#makeObjects();
    this.sidebar = new Sidebar({
      preferences,
      top: new InForce({session, categories, relabelSelection: () => this.choice.relabel(session.selection), chooseNext: () => this.choice.chooseNext()}).element,
      upper: this.objects.element,
      lower: new CategoryList({session, categories, preferences, me, pinCategory: (id) => pinCategory(categories, id)}).element,
      onToggle: (shown) => this.bar.showSidebar(shown),
    });
    const rail = makeRail(tools, buttons, () => session.tool, () => session.selection.size > 0);
    element.replaceChildren(this.bar.element, rail, this.area.element, this.sidebar.divider, this.sidebar.element);
    this.element = element;
    this.refresh = oncePerFrame(() => this.#refresh());
    this.#listen();
    this.#useTool();
  }

  /** @returns {Tool | null} */
  get tool() {
    return this.#tools.get(this.parts.session.tool) ?? null;
  }

  /**
   * @param {number} id
   * @param {URLSearchParams} query
   * @param {boolean} takesFocus what had the focus in another view is gone
   */
  open(id, query, takesFocus) {
    const {session, imageList} = this.parts;
    imageList.open(id, query);
    void session.open(id, query);
    if (takesFocus && !this.element.contains(document.activeElement)) this.area.canvas.focus({preventScroll: true});
  }

  close() {
    this.tool?.cancel();
    this.parts.session.close();
  }

  /** @param {KeyInput} input */
  toTool(input) {
    const taken = this.parts.session.state !== "closed" && (this.tool?.key(input) ?? false);
    if (taken) this.refresh();
    return taken;
  }

  /** Take back: while drawing a corner, else the last change. */
  undo() {
    if (!this.tool?.undo()) void this.parts.session.undo();
    this.refresh();
  }

  /** Whether the user lets go of what is in the making, where something is. */
  async mayLeave() {
    const {tool} = this;
    if (!tool?.busy()) return true;
    const leave = await confirm("Leave what you are drawing?", "It is not finished, and would be lost. Finish it first, or leave it.", "Leave it", {
      danger: true,
    });
    if (leave) tool.cancel();
    return leave;
  }

  /** @param {number} step */
  async #goOne(step) {
    const {session, imageList} = this.parts;
    const from = session.id;
    try {
      const id = await imageList.go(step);
      if (session.id !== from) return false;
      if (id === null) toast(step > 0 ? "This is the last image" : "This is the first image");
      else await arrived(imageAddress(id, session.query));
    } catch (error) {
      toast(messageOf(error), {error: true});
    }
    return session.id !== from;
  }

  toImages() {
    go(imagesAddress(this.parts.session.query));
  }

  #addCommands() {
    addEditorCommands(this.parts, {
      tool: () => this.tool,
      acts: this.#acts(),
      go: (step) => this.#steps.go(step),
      toImages: () => this.toImages(),
      relabelSelection: () => this.choice.relabel(this.parts.session.selection),
      openPalette: () => this.choice.open(),
      selectNext: (step) => this.#selectNext(step),
      escape: () => this.#escape(),
      toggleSidebar: () => this.sidebar.toggle(),
      fit: () => this.canvas.fit(),
      zoomBy: (factor) => this.canvas.zoomBy(factor),
    });
    addManyCommands(this.parts, {copies: this.copies, tool: () => this.tool});
    addPredictionCommands(this.parts, {tool: () => this.tool});
  }

  #acts() {
    return [...this.#tools.values()].flatMap(({name, acts = []}) => acts.map((act) => ({...act, tool: name})));
  }

  #makeObjects() {
    const {session, preferences, categories} = this.parts;
    return new Objects({
      session,
      preferences,
      nameOf: (id) => categories.nameOf(id),
      onNames: (listener) => categories.on("change", listener),
      relabel: (keys) => this.choice.relabel(keys),
      showText: (entry) => this.#showText(entry),
      panTo: (key) => this.canvas.panTo(key),
      zoomTo: (key) => this.canvas.zoomTo(key),
    });
  }

  #listen() {
    const {session, imageList, categories, commands, presence, predictions} = this.parts;
    session.on("tool", () => this.#useTool());
    for (const event of /** @type {const} */ (["state", "selection", "differences", "visibility"])) session.on(event, this.refresh);
    session.on("refused", (message) => toast(message, {error: true}));
    presence.on("change", () => this.#showHere());
    session.on("state", () => this.#showHere());
    session.on("changed", () => presence.edit());
    settleConflicts(this.parts);
    imageList.on("change", () => this.#showPlace());
    categories.on("change", () => this.#showPlace());
    commands.on("change", this.refresh);
    this.canvas.on("zoom", this.refresh);
    this.canvas.on("picture", (picture) => this.area.tellPicture(picture));
    this.canvas.on("painted", () => this.area.painted());
    this.canvas.on("say", (message) => toast(message));
    this.canvas.on("pointer", (input) => predictions.point(input));
    this.canvas.on("pointer", (input) => this.copies.point(input));
    this.canvas.on("done", () => session.setTool("select"));
    this.canvas.on("hint", this.refresh);
    this.element.addEventListener("keyup", this.refresh);
    // What is in the making may be other. The lists tell by the session what they change.
    for (const part of [this.bar.element, this.area.element]) part.addEventListener("pointerup", this.refresh);
    window.addEventListener("beforeunload", (event) => this.tool?.busy() && event.preventDefault());
  }

  #useTool() {
    const {tool} = this;
    if (tool) this.canvas.setTool(tool);
    this.refresh();
  }

  #refresh() {
    const {session, buttons} = this.parts;
    this.bar.showImage(session.image, session.state === "loading" ? "Loading..." : "No image");
    this.bar.showZoom(session.isThere ? this.canvas.zoom : null);
    this.area.setHint(this.#hint(), session.tool !== "select" || session.lacks !== null);
    buttons.refresh();
    if (session.state === "closed") return;
    const title = session.image ? `${nameOr(session.image.file_name, `image ${session.image.id}`)} - cocoannot` : "cocoannot";
    if (document.title !== title) document.title = title;
  }

  #hint() {
    const {session} = this.parts;
    if (!session.isThere) return "";
    return session.lacks ? `You can look at all, and change nothing: that ${session.lacks}` : (this.tool?.hint() ?? "");
  }

  #showHere() {
    const {session, presence} = this.parts;
    presence.show(session.id);
    this.here.show(presence.onImage(session.id));
  }

  #showPlace() {
    const {session, imageList, categories} = this.parts;
    const filters = chipsOf(session.query, (id) => categories.nameOf(id)).map(({label}) => label);
    this.bar.showPlace(imageList.current, filters.join(", "));
    const {previous = null, next = null} = imageList.current ?? {};
    for (const id of [next, previous]) if (id !== null) this.#prepare(id);
  }

  /** What the next image needs is asked for before it is wanted. @param {number} id */
  #prepare(id) {
    this.parts.session.prepare(id);
    new Image().src = `api/images/${id}/file`;
  }

  /** @param {number} step */
  #selectNext(step) {
    const {session} = this.parts;
    const {items} = this.objects.list;
    if (!items.length) return;
    const at = items.findIndex(({key}) => session.selection.has(key));
    const next = at < 0 ? (step > 0 ? 0 : items.length - 1) : (at + step + items.length) % items.length;
    session.select([items[next].key]);
    this.canvas.panTo(items[next].key);
  }

  /** A tool in the making has had the key before, and asks by itself. */
  #escape() {
    const {session} = this.parts;
    if (session.tool !== "select") session.setTool("select");
    else if (session.selection.size) session.select([]);
    else this.toImages();
  }

  #showBroken() {
    const broken = [...this.parts.session.entries.values()].filter((entry) => entry.broken !== null);
    this.sidebar.setShown(true);
    this.parts.session.select([broken[0].key]);
    if (broken.length === 1) void this.#showText(broken[0]);
  }

  /** @param {Entry} entry */
  #showText(entry) {
    return showRecord(
      entry,
      titleOf(entry, (id) => this.parts.categories.nameOf(id)),
    );
  }
}
