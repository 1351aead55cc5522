// One image: its picture, its annotations, its neighbours; drawing and changing them.

import {ApiError, Offline, get, messageOf, onRevision} from "./api.js";
import {Canvas} from "./canvas.js";
import * as categories from "./categories.js";
import {change, redo, undo} from "./changes.js";
import {colour} from "./colours.js";
import {choose, toast} from "./dialogs.js";
import {el, plural} from "./dom.js";
import {neighbours} from "./neighbours.js";
import {go, imageAddress, imagesAddress} from "./router.js";
import {hasPolygons, kindOf} from "./shapes.js";

/** @import {Annotation, Answer, Bind, Choice, ImageRecord, Operation, Result, Shape, Tool} from "./types.js" */

/** @type {[tool: Tool, title: string, key: string][]} */
const TOOLS = [["select", "Select", "V"], ["box", "Box", "B"], ["polygon", "Polygon", "P"], ["part", "Add part", "A"]];

export class Editor {
  /** @type {number | null} */
  id = null;
  /** @type {ImageRecord | null} The image with this id, once it is loaded. */
  image = null;
  query = new URLSearchParams();
  /** @type {Annotation[]} */
  annotations = [];
  /** @type {Map<number, string>} */
  etags = new Map();
  /** @type {string | null} */
  listEtag = null;
  revision = 0;
  /** @type {number | null} The category that new shapes get. */
  category = null;
  categoriesShown = "";
  /** @type {Tool} */
  tool = "select";
  /** How many changes are on their way. */
  busy = 0;
  asking = false;
  /** @type {number | null} When the image was asked for; `null` once it is seen. */
  opened = null;

  title = el("h1", {class: "title"});
  tools = TOOLS.map(([tool, title, key]) =>
    el("button", {type: "button", "data-tool": tool, title: `${title} (${key})`, onclick: () => this.setTool(tool)}, title));
  view = el("div", {class: "canvas", tabindex: "0", role: "application", "aria-label": "Picture with its annotations; the list beside it has them too"});
  objects = el("ul", {class: "objects", "aria-label": "Annotations of this image"});
  objectsTitle = el("h2", {}, "Annotations");
  categoriesPanel = el("div", {class: "panel"});

  /** @param {HTMLElement} element */
  constructor(element) {
    element.replaceChildren(this.#bar(), this.view, el("aside", {}, el("div", {class: "panel"}, this.objectsTitle, this.objects), this.categoriesPanel));
    this.panel = new categories.CategoryPanel(this.categoriesPanel, {current: () => this.category, pick: (id) => this.pick(id)});
    this.canvas = new Canvas(this.view, {
      onDraw: (shape, {part}) => this.#drawn(shape, part),
      onReshape: (id, shape) => this.#update(id, shape),
      onSelect: (id) => this.select(id),
      onRefuse: (reason) => toast(reason),
      onPainted: () => this.#painted(),
    });
    this.setTool("select");
    categories.onCategories(() => this.#categoriesChanged());
    onRevision((revision) => this.#noticeOthers(revision));
  }

  /**
   * Show the image with this id, found by the gallery's `query`.
   * @param {number} id
   * @param {URLSearchParams} query
   */
  async open(id, query) {
    if (id === this.id && this.image) {
      this.query = query;
      return;
    }
    [this.id, this.query, this.image] = [id, query, null];
    this.opened = performance.now();
    try {
      const [{body: image}] = await Promise.all([get(`api/images/${id}`), this.#loadAnnotations(id)]);
      if (id !== this.id) return;
      this.image = image;
      this.canvas.show({url: `api/images/${id}/file`, width: image.width, height: image.height});
      this.#showAll();
      void this.#prepareNeighbours(id);
    } catch (error) {
      if (id !== this.id) return;
      this.title.textContent = error instanceof ApiError && error.status === 404 ? `There is no image ${id}` : messageOf(error);
      this.canvas.setShapes([], categories.all());
    }
  }

  close() {
    [this.id, this.image] = [null, null];
  }

  /** @param {Bind} bind */
  bindKeys(bind) {
    const when = () => this.image !== null;
    bind("D", "Previous image", () => this.go(-1), {when});
    bind("F", "Next image", () => this.go(1), {when});
    bind("ArrowLeft", "Previous image", () => this.go(-1), {when, shown: false});
    bind("ArrowRight", "Next image", () => this.go(1), {when, shown: false});
    for (const [tool, title, key] of TOOLS) bind(key, `${title} (tool)`, () => this.setTool(tool), {when});
    bind("Escape", "Give up what is being drawn; then deselect; then back to the images", () => this.#escape(), {when});
    bind("Delete", "Delete the selected annotation", () => this.remove(), {when});
    bind("Backspace", "Delete the selected annotation", () => this.remove(), {when, shown: false});
    bind("H", "Hide or show all shapes", () => this.canvas.toggleAll(), {when});
    bind("0", "Fit the picture into the window", () => this.canvas.fit(), {when});
    bind("Tab", "Next annotation", () => this.#selectNext(1), {when});
    bind("Shift+Tab", "Previous annotation", () => this.#selectNext(-1), {when});
    for (let number = 1; number <= 9; number++) {
      const shown = number === 1;
      bind(String(number), shown ? "Category 1 (to 9), for the selected annotation and new ones" : "", () => this.#pickByNumber(number), {when, shown});
    }
  }

  /** @param {Tool} tool */
  setTool(tool) {
    if (tool === "part" && !this.#canGetPart()) {
      toast("Select an annotation with polygons first");
      return;
    }
    this.tool = tool;
    this.canvas.setTool(tool);
    for (const button of this.tools) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }

  /** @param {number | null} id */
  select(id) {
    this.canvas.select(id);
    this.#showObjects();
    this.objects.querySelector(".current")?.scrollIntoView({block: "nearest"});
  }

  /** @param {number} step */
  async go(step) {
    if (this.id === null) return;
    const id = await neighbours(this.id, this.query, step).catch(() => undefined);
    if (id === undefined) toast("The server does not answer", {error: true});
    else if (id === null) toast(step > 0 ? "This is the last image" : "This is the first image");
    else go(imageAddress(id, this.query));
  }

  /** Undo while drawing takes the last corner back; else the last change, showing the image that it was on. */
  async undo() {
    if (this.id !== null && this.canvas.removeLastVertex()) return;
    await this.#move(undo);
  }

  redo() {
    return this.#move(redo);
  }

  async remove() {
    const annotation = this.#selected();
    if (annotation) await this.#change([{op: "delete", id: annotation.id, if_match: this.#match(annotation.id)}], [annotation]);
  }

  #bar() {
    /** @type {(text: string, title: string, run: () => unknown) => HTMLElement} */
    const button = (text, title, run) => el("button", {type: "button", title, "aria-label": title, onclick: run}, text);
    return el("div", {class: "bar"},
      button("←", "Previous image (D)", () => this.go(-1)), button("→", "Next image (F)", () => this.go(1)),
      button("All images", "Back to the images (Esc)", () => go(imagesAddress(this.query))),
      el("div", {class: "tools", role: "toolbar", "aria-label": "Tools"}, ...this.tools),
      button("Fit", "Fit (0)", () => this.canvas.fit()), button("Hide", "Hide or show all shapes (H)", () => this.canvas.toggleAll()),
      button("Delete", "Delete the selected annotation (Delete)", () => this.remove()), this.title);
  }

  /** @param {number} id */
  async #loadAnnotations(id) {
    const answer = await get(`api/images/${id}/annotations?with=etag`);
    if (id !== this.id) return;
    this.#take(answer);
  }

  /** @param {Answer<(Annotation & {_etag: string})[]>} answer */
  #take({body, etag, revision}) {
    [this.listEtag, this.revision] = [etag, revision];
    this.etags = new Map(body.map(({id, _etag}) => [id, _etag]));
    this.annotations = body.map(({_etag, ...annotation}) => annotation);
  }

  /**
   * Others' changes: where the dataset's revision is another than ours, ask whether this image has changed.
   * @param {number} revision
   */
  #noticeOthers(revision) {
    if (!this.image || revision === this.revision || this.asking || this.busy) return;
    this.asking = true;
    setTimeout(() => void this.#refresh(), 300);
  }

  async #refresh() {
    const id = this.id;
    try {
      if (id === null || this.busy || this.canvas.drawing) return;
      const answer = await get(`api/images/${id}/annotations?with=etag`, {etag: this.listEtag});
      if (id !== this.id || this.busy) return;
      if (answer.status === 304) {
        this.revision = answer.revision;
        return;
      }
      // Our own changes make another list too; it is somebody else's where a record is not what we know.
      const ours = new Map(this.etags);
      this.#take(answer);
      if (ours.size === this.etags.size && [...ours].every(([each, etag]) => this.etags.get(each) === etag)) return;
      this.#showAll();
      toast("This image was changed by somebody else");
    } catch (error) {
      if (!(error instanceof Offline) && !(error instanceof ApiError)) throw error;
    } finally {
      this.asking = false;
    }
  }

  #showAll() {
    if (!this.image) return;
    this.canvas.setShapes(this.annotations, categories.all());
    this.#showObjects();
    this.title.textContent = `${this.image.file_name ?? ""}  (${this.image.width} × ${this.image.height})`;
    document.title = `${this.image.file_name ?? this.id} - cocoannot`;
  }

  #showObjects() {
    const current = this.canvas.selected;
    this.objectsTitle.textContent = plural(this.annotations.length, "annotation");
    this.objects.replaceChildren(...this.annotations.map((annotation) => {
      const swatch = el("span", {class: "swatch", "aria-hidden": "true"});
      swatch.style.background = colour(annotation.category_id);
      const kind = kindOf(annotation) ?? (annotation.caption ? "caption" : "no shape");
      const words = annotation.caption ?? `${categories.nameOf(annotation.category_id)}`;
      return el("li", {class: annotation.id === current ? "current" : ""},
        el("button", {type: "button", class: "name", "aria-pressed": String(annotation.id === current), onclick: () => this.select(annotation.id)},
          swatch, el("span", {class: "text"}, words), el("span", {class: "count"}, `${kind} ${annotation.id}`)));
    }));
  }

  #categoriesChanged() {
    if (this.category === null || !categories.all().has(this.category)) this.category = categories.all().keys().next().value ?? null;
    this.panel.show();
    this.canvas.hide(categories.isHidden());
    // Not where only a count is another one: somebody may be dragging a shape.
    const shown = JSON.stringify([...categories.all().values()].map(({_annotation_count, ...category}) => category));
    if (shown !== this.categoriesShown) this.#showAll();
    this.categoriesShown = shown;
  }

  /** @param {number} id */
  pick(id) {
    this.category = id;
    this.panel.show();
    const annotation = this.#selected();
    if (annotation && annotation.category_id !== id) void this.#update(annotation.id, {category_id: id});
  }

  /** @param {number} number */
  #pickByNumber(number) {
    const id = [...categories.all().keys()][number - 1];
    if (id !== undefined) this.pick(id);
  }

  #selected() {
    return this.annotations.find(({id}) => id === this.canvas.selected) ?? null;
  }

  /** @param {number} step */
  #selectNext(step) {
    const at = this.annotations.findIndex(({id}) => id === this.canvas.selected);
    const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
    const annotation = this.annotations.at(next % this.annotations.length);
    if (annotation) this.select(annotation.id);
  }

  #escape() {
    if (this.canvas.cancel()) return;
    if (this.tool !== "select") this.setTool("select");
    else if (this.canvas.selected !== null) this.select(null);
    else go(imagesAddress(this.query));
  }

  #canGetPart() {
    const annotation = this.#selected();
    return annotation !== null && hasPolygons(annotation);
  }

  /**
   * @param {Shape} shape
   * @param {boolean} part
   */
  async #drawn(shape, part) {
    if (this.id === null) return;
    if (part) {
      const annotation = this.#selected();
      if (annotation && hasPolygons(annotation)) {
        await this.#update(annotation.id, {segmentation: [...annotation.segmentation, ...(shape.segmentation ?? [])]});
      }
      this.setTool("select");
      return;
    }
    if (this.category === null) {
      toast("Add a category first", {error: true});
      return;
    }
    const annotation = {image_id: this.id, category_id: this.category, ...shape};
    const results = await this.#change([{op: "add", annotation}], [null]);
    if (results?.[0].annotation) this.select(results[0].annotation.id);
  }

  /**
   * @param {number} id
   * @param {Partial<Annotation>} changes
   */
  async #update(id, changes) {
    const before = this.annotations.find((annotation) => annotation.id === id);
    if (before) await this.#change([{op: "update", id, changes, if_match: this.#match(id)}], [before]);
  }

  /** @param {number} id */
  #match(id) {
    return this.etags.get(id);
  }

  /**
   * Send a change; where somebody else was faster, let the user choose. Gives the results, `null` where it was refused.
   * @param {Operation[]} operations
   * @param {(Annotation | null)[]} before
   * @returns {Promise<Result[] | null>}
   */
  async #change(operations, before) {
    const imageId = this.id;
    if (imageId === null) return null;
    this.busy += 1;
    try {
      const results = await change(imageId, operations, before, this.etags.keys());
      if (imageId === this.id) this.#apply(results, before);
      categories.loadSoon();
      return results;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (imageId === this.id) await this.#loadAnnotations(imageId).catch(() => {});
      if (imageId === this.id) this.#showAll();
      if (error.status === 412 || error.status === 404) return this.#letChoose(operations, before, error);
      toast(error.message, {error: true});
      return null;
    } finally {
      this.busy -= 1;
    }
  }

  /**
   * @param {Result[]} results
   * @param {(Annotation | null)[]} before
   */
  #apply(results, before) {
    results.forEach(({annotation, etag}, i) => {
      if (annotation === null) {
        const old = before[i]?.id;
        this.annotations = this.annotations.filter(({id}) => id !== old);
        if (old !== undefined) this.etags.delete(old);
        return;
      }
      const at = this.annotations.findIndex(({id}) => id === annotation.id);
      this.annotations = at < 0 ? [...this.annotations, annotation] : this.annotations.with(at, annotation);
      this.etags.set(annotation.id, etag);
    });
    this.#showAll();
  }

  /**
   * @param {Operation[]} operations
   * @param {(Annotation | null)[]} before
   * @param {ApiError} error
   * @returns {Promise<Result[] | null>}
   */
  async #letChoose([operation], [before], error) {
    if (operation.op === "add" || operation.op === "restore") {
      toast(error.message, {error: true});
      return null;
    }
    const theirs = this.annotations.find(({id}) => id === operation.id);
    const text = theirs
      ? `Somebody else changed this annotation (${categories.nameOf(theirs.category_id)}, id ${theirs.id}). The picture shows theirs now.`
      : "Somebody else deleted this annotation.";
    /** @type {Choice<true>[]} */
    const choices = [{value: null, text: "Take theirs", primary: true}];
    if (theirs || operation.op === "update") choices.push({value: true, text: "Take mine", danger: true});
    if (!(await choose("Two people, one annotation", el("p", {}, text), choices))) return null;
    if (theirs) return this.#change([{...operation, if_match: this.#match(operation.id)}], [theirs]);
    if (operation.op === "update" && before) return this.#change([{op: "restore", annotation: {...before, ...operation.changes}}], [null]);
    toast(error.message, {error: true});
    return null;
  }

  /** @param {() => Promise<number | null>} run */
  async #move(run) {
    try {
      const imageId = await run();
      if (imageId !== null && imageId !== this.id) go(imageAddress(imageId, this.query));
      else if (imageId !== null) {
        await this.#loadAnnotations(imageId);
        this.#showAll();
      }
      await categories.load();
    } catch (error) {
      toast(messageOf(error), {error: true});
    }
  }

  /**
   * What a picture of the next image needs is asked for before it is wanted.
   * @param {number} from
   */
  async #prepareNeighbours(from) {
    for (const step of [1, -1]) {
      const id = await neighbours(from, this.query, step).catch(() => null);
      if (id !== null) new Image().src = `api/images/${id}/file`;
    }
  }

  #painted() {
    if (!this.image || this.opened === null) return;
    // For those who measure: from asking for an image to seeing it.
    performance.measure("image", {start: this.opened});
    this.opened = null;
  }
}
