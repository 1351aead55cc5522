// Puts the views together.

import {messageOf, onLogin} from "./api.js";
import * as categories from "./categories.js";
import {canRedo, canUndo, onChange} from "./changes.js";
import {prompt, toast} from "./dialogs.js";
import {byId} from "./dom.js";
import {Editor} from "./editor.js";
import {Gallery} from "./gallery.js";
import {bind, showAll} from "./keys.js";
import {onRoute, tell} from "./router.js";
import {Statistics} from "./statistics.js";
import * as status from "./status.js";

/** @import {Route} from "./types.js" */

onLogin((message) => prompt("Log in", {label: message, password: true}));

const gallery = new Gallery(byId("gallery"));
const editor = new Editor(byId("editor"));
const statistics = new Statistics(byId("statistics"));

/** @param {string} id */
const button = (id) => /** @type {HTMLButtonElement} */ (byId(id));

/** @param {Route} route */
function show({view, id, query}) {
  byId("gallery").hidden = view !== "images";
  byId("editor").hidden = view !== "image";
  byId("statistics").hidden = view !== "statistics";
  byId("to-images").toggleAttribute("aria-current", view !== "statistics");
  byId("to-statistics").toggleAttribute("aria-current", view === "statistics");
  if (view === "image" && id !== null) void editor.open(id, query);
  else editor.close();
  if (view === "images") gallery.open(query);
  if (view === "statistics") void statistics.open();
}

editor.bindKeys(bind);
bind("Ctrl+S", "Save now", () => status.saveNow());
bind("Ctrl+Z", "Undo; while drawing, take the last corner back", () => editor.undo());
bind("Ctrl+Shift+Z", "Redo", () => editor.redo());
bind("Ctrl+Y", "Redo", () => editor.redo(), {shown: false});
bind("?", "Show all keys", () => showAll());

byId("undo").addEventListener("click", () => editor.undo());
byId("redo").addEventListener("click", () => editor.redo());
byId("help").addEventListener("click", () => showAll());
onChange(() => {
  button("undo").disabled = !canUndo();
  button("redo").disabled = !canRedo();
});
status.onRestart(() => {
  toast("The server was started again; what is shown is read again");
  void categories.load();
  editor.close();
  tell();
});

onRoute(show);
await status.start();
await categories.load().catch((error) => toast(messageOf(error), {error: true}));
tell();
