// The page as a whole: gallery, editor and statistics, one of them shown, with the head above. What is below them is made
// elsewhere and comes in ready.

import {serverOutlines} from "../assist/server_outlines.js";
import {messageOf} from "../net/api.js";
import {colour} from "../state/colours.js";
import {arrive, comeBack, current, go, imageAddress, imagesAddress, onRoute, start} from "../state/router.js";
import {addCategory} from "./category_dialogs.js";
import {CommandButtons} from "./command_button.js";
import {Account} from "./account.js";
import {isOpen} from "./dialogs.js";
import {byId} from "./dom.js";
import {Gallery} from "./gallery.js";
import {Header} from "./header.js";
import {PeopleHere} from "./here.js";
import {listen} from "./keyboard.js";
import {showKeys} from "./keys_dialog.js";
import {addOutlineCommands} from "./outline_commands.js";
import {pickCategory} from "./palette.js";
import {Statistics} from "./statistics.js";
import {joinTeam} from "./team.js";
import {toast} from "./toasts.js";
import {addWorkCommands} from "./work_commands.js";

/** @import {Categories, Commands, ImageList, Preferences, Route, SaveState, Session} from "../types.js" */
/** @import {Changes} from "../state/changes.js" */
/** @import {Following} from "../state/following.js" */
/** @import {Me} from "../state/me.js" */
/** @import {Predictions} from "../state/predictions.js" */
/** @import {Presence} from "../state/presence.js" */
/** @import {Progress} from "../state/progress.js" */
/** @import {Queue} from "../state/queue.js" */
/** @import {Work} from "../state/work.js" */
/** @import {Events} from "../net/events.js" */
/** @import {Editor} from "./editor.js" */

/**
 * @typedef {{queue: Queue, changes: Changes, session: Session, categories: Categories, commands: Commands, preferences: Preferences,
 *   imageList: ImageList, saveState: SaveState, me: Me, events: Events, following: Following, presence: Presence, predictions: Predictions,
 *   work: Work, progress: Progress}} Parts
 */

/** After so many milliseconds the gallery is there, and what the editor needs may come. */
const QUIET = 1000;

export class Page {
  /** @type {Route | null} */
  #route = null;
  /** @type {Editor | null} Half of the page: it comes with the first image, or when nothing else is waited for. */
  editor = null;
  /** @type {Promise<Editor> | null} */
  #coming = null;
  /** The user is asked whether to leave what is shown. */
  #asking = false;

  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
    const {commands, categories, preferences, saveState, session, presence, me, queue, events, progress} = parts;
    const buttons = new CommandButtons(commands);
    this.buttons = buttons;
    this.#addCommands();
    this.gallery = new Gallery(byId("gallery"), {
      categories,
      preferences,
      presence,
      progress,
      me,
      commands,
      buttons,
      chooseCategory: () => this.#pickCategory("Images with this category", false),
      nameOf: (id) => categories.nameOf(id),
    });
    // Before the canvas, which takes Space for itself while it is held.
    listen(commands, (input) => this.editor?.toTool(input) ?? false);
    this.statistics = new Statistics(byId("statistics"));
    this.people = new PeopleHere({presence, me, go: (id) => go(imageAddress(id, session.query))});
    const left = () => {
      // Other tabs are not to go on hearing what this user may hear.
      events.restart();
      location.reload();
    };
    this.account = new Account({me, queue, left});
    this.header = new Header(byId("head"), {saveState, buttons, me, people: this.people, account: this.account});
    joinTeam({...parts, gallery: this.gallery, buttons, readAgain: () => this.#readAgain()});
    this.#listen();
  }

  /** Show what the address asks for, now and from now on. */
  start() {
    onRoute((route) => void this.#show(route));
    start();
    setTimeout(() => void this.#loadEditor().catch(() => {}), QUIET);
  }

  #loadEditor() {
    this.#coming ??= this.#makeEditor().catch((error) => {
      this.#coming = null;
      throw error;
    });
    return this.#coming;
  }

  async #makeEditor() {
    // The browser asks for all of its modules at once, and not level by level.
    document.head.append(/** @type {HTMLTemplateElement} */ (byId("editor-modules")).content);
    const {Editor} = await import("./editor.js");
    const pickCategory = (/** @type {string} */ title) => this.#pickCategory(title);
    this.editor = new Editor(byId("editor"), {...this.parts, buttons: this.buttons, pickCategory});
    return this.editor;
  }

  #addCommands() {
    const {commands, changes, preferences, session, me} = this.parts;
    const busy = () => this.editor?.tool?.busy() ?? false;
    addOutlineCommands({...this.parts, busy});
    addWorkCommands({...this.parts, busy, query: () => (this.#route ?? current()).query});
    commands.add({id: "save.now", title: "Save now", keys: ["Ctrl+s"], scope: "everywhere", when: () => me.may("annotator"), run: () => this.header.saveNow()});
    commands.add({
      id: "undo",
      title: "Undo; while drawing, take the last corner back",
      keys: ["Ctrl+z"],
      icon: "undo",
      scope: "everywhere",
      when: () => changes.canUndo() || busy(),
      run: () => (this.editor ?? session).undo(),
    });
    commands.add({
      id: "redo",
      title: "Redo",
      keys: ["Ctrl+Shift+z", "Ctrl+y"],
      icon: "redo",
      scope: "everywhere",
      when: () => changes.canRedo(),
      run: () => changes.redo(),
    });
    commands.add({
      id: "keys.show",
      title: "Show all keys",
      keys: ["?"],
      icon: "keys",
      scope: "everywhere",
      run: async () => {
        // Its keys are among them.
        await this.#loadEditor().catch(() => {});
        await showKeys(commands, preferences);
      },
    });
  }

  #listen() {
    const {changes, session, categories, saveState, queue} = this.parts;
    changes.on("change", () => this.buttons.refresh());
    session.on(
      "undone",
      (imageId) => imageId !== null && this.#route?.view === "image" && imageId !== session.id && go(imageAddress(imageId, session.query)),
    );
    categories.on("change", () => this.#keepACategory());
    saveState.on("problem", (message) => toast(message, {error: true}));
    saveState.on("reachable", (reachable) => this.#reach(reachable));
    saveState.on("restart", () => {
      toast("The server was started again. What is shown is read anew.");
      void this.#readAgain();
    });
    window.addEventListener("beforeunload", (event) => queue.pending && event.preventDefault());
  }

  /** @param {boolean} reachable */
  #reach(reachable) {
    this.parts.session.setAway(!reachable);
    if (reachable) void this.#readAgain();
  }

  async #readAgain() {
    const {categories, session, predictions, work, progress} = this.parts;
    this.gallery.refresh();
    work.forget();
    progress.stale();
    void session.reopen();
    void predictions.load();
    // What it can do is asked again when it is back: until then, those tools are grey.
    void serverOutlines.load().catch(() => {});
    await categories.load().catch((error) => toast(messageOf(error), {error: true}));
  }

  /** New shapes need a category: the first one, while there is none or it is gone. */
  #keepACategory() {
    const {session, categories} = this.parts;
    const all = categories.all();
    if (session.category === null || !categories.get(session.category)) session.setCategory(all[0]?.id ?? null);
  }

  /**
   * @param {string} title
   * @param {boolean} [canCreate]
   */
  #pickCategory(title, canCreate = true) {
    const {categories, me} = this.parts;
    const create = async (/** @type {string} */ name) => {
      try {
        return (await categories.add(name)).id;
      } catch (error) {
        toast(messageOf(error), {error: true});
        // What was typed is there to be corrected.
        return addCategory(categories, name);
      }
    };
    return pickCategory(title, {
      categories: categories.all(),
      recent: categories.recent,
      colourOf: (id) => colour(id),
      create: canCreate && me.may("reviewer") ? create : undefined,
      keyOf: (id) => categories.keyOf(id),
      pin: (key, id) => categories.pin(key, id),
    });
  }

  /**
   * @param {number} id
   * @param {URLSearchParams} query
   * @param {boolean} takesFocus
   */
  async #openImage(id, query, takesFocus) {
    try {
      const editor = this.editor ?? (await this.#loadEditor());
      if (this.#route?.view === "image" && this.#route.id === id) editor.open(id, query, takesFocus);
    } catch {
      toast("A part of the page could not be loaded: load the page again when the server answers", {error: true});
    }
  }

  async #mayLeave() {
    if (isOpen()) return false;
    this.#asking = true;
    const may = (await this.editor?.mayLeave()) ?? true;
    this.#asking = false;
    return may;
  }

  /** @param {Route} route */
  async #show(route) {
    const before = this.#route;
    const leaves = before?.view === "image" && (route.view !== "image" || route.id !== before.id);
    if (this.#asking) return;
    if (leaves && this.editor?.tool?.busy() && !(await this.#mayLeave())) return comeBack();
    arrive();
    this.#route = current();
    this.#become(this.#route, before);
  }

  /**
   * The image that was open before, and its place in the list.
   * @param {Route | null} before
   */
  #comesFrom(before) {
    const {imageList} = this.parts;
    if (before?.view !== "image" || before.id === null) return null;
    return {id: before.id, position: imageList.id === before.id ? (imageList.current?.position ?? null) : null};
  }

  /**
   * @param {Route} route
   * @param {Route | null} before
   */
  #become({view, id, query}, before) {
    byId("gallery").hidden = view !== "images";
    byId("editor").hidden = view !== "image";
    byId("statistics").hidden = view !== "statistics";
    this.parts.commands.scope = view === "image" ? "editor" : view === "images" ? "gallery" : "everywhere";
    this.header.showView(view);
    if (view !== "statistics") this.header.setImagesAddress(imagesAddress(query));
    if (view === "image" && id !== null) void this.#openImage(id, query, before !== null && before.view !== "image");
    else this.editor?.close();
    this.people.cameTo(view === "image" ? id : null);
    if (view !== "image") this.parts.presence.show(null);
    this.parts.progress.setSeen(view === "images");
    if (view === "images") this.gallery.open(query, this.#comesFrom(before));
    if (view === "statistics") void this.statistics.open();
    this.buttons.refresh();
  }
}
