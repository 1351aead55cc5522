// Adding pictures: a button, a place to drop them, and how far they are. How they get to the server is the business of uploads.js.

import {get, messageOf, send, sendPicture} from "../net/api.js";
import {Uploads} from "../state/uploads.js";
import {AddingPanel} from "./adding_panel.js";
import {byId, el, setText} from "./dom.js";
import {filesOf, hasFiles} from "./dropped_files.js";
import {icon} from "./icons.js";
import {toast} from "./toasts.js";
import {plural} from "./words.js";

/** @import {Commands} from "../types.js" */
/** @import {CommandButtons} from "./command_button.js" */
/** @import {Me} from "../state/me.js" */

const KINDS = "image/jpeg,image/png,image/webp,image/gif,image/bmp,image/tiff,.jpg,.jpeg,.png,.webp,.gif,.bmp,.tif,.tiff";
/** The server may look through a large folder for so long (milliseconds). */
const SCAN = 900_000;

export class Adding {
  /** How many drags are over the page: entering a child comes before leaving its parent. */
  #over = 0;

  /**
   * @param {{me: Me, commands: Commands, buttons: CommandButtons, added: () => unknown, isShown: () => boolean}} parts `added()` is called
   * when pictures are there that were not; `isShown()` says whether pictures may be dropped now.
   */
  constructor({me, commands, buttons, added, isShown}) {
    this.me = me;
    this.added = added;
    this.isShown = isShown;
    this.uploads = new Uploads({send: sendPicture, reach: () => get("api/me")});
    this.#addCommands(commands);
    this.button = buttons.make("pictures.add", {text: "Add pictures", iconName: "plus", id: "add-pictures"});
    this.scanButton = buttons.make("pictures.scan", {iconName: "folder", id: "scan-pictures"});
    this.input = el("input", {
      type: "file",
      multiple: true,
      accept: KINDS,
      hidden: true,
      "aria-label": "Pictures to add",
      onchange: () => {
        this.uploads.add(this.input.files ?? []);
        // The same ones may be chosen again.
        this.input.value = "";
      },
    });
    this.panel = new AddingPanel({uploads: this.uploads, stop: () => this.#stop(), focusElsewhere: () => this.button.focus()});
    this.target = el("div", {class: "drop-target", hidden: true, "aria-hidden": "true"}, icon("picture"), el("strong", {}, "Drop pictures here to add them"));
    this.uploads.on("end", () => this.#end());
    this.#listen();
  }

  /** The server is back. */
  wake() {
    this.uploads.wake();
  }

  /** Let the user choose pictures. */
  choose() {
    this.input.click();
  }

  /** Let the server look for pictures that were put into its folder. */
  async scan() {
    toast("The server looks for new pictures...");
    try {
      const {body} = await send({method: "POST", path: "api/images/scan"}, undefined, SCAN);
      const left = body.skipped_count ? `; ${plural(body.skipped_count, "file")} left out, the first: ${body.skipped[0].reason}` : "";
      toast(`${plural(body.added, "new picture")} found${left}`);
      if (body.added) this.added();
    } catch (error) {
      toast(messageOf(error), {error: true});
    }
  }

  /** @param {Commands} commands */
  #addCommands(commands) {
    const may = {scope: /** @type {const} */ ("gallery"), keys: [], when: () => this.me.may("admin"), lacks: () => this.me.lacks("admin")};
    commands.add({id: "pictures.add", title: "Add pictures from this device", icon: "plus", run: () => this.choose(), ...may});
    commands.add({id: "pictures.scan", title: "Look for new pictures in the image folder", icon: "folder", run: () => this.scan(), ...may});
  }

  #listen() {
    const over = (/** @type {number} */ step) => (/** @type {DragEvent} */ event) => {
      if (!hasFiles(event.dataTransfer) || !this.isShown()) return;
      this.#over = Math.max(0, this.#over + step);
      this.target.hidden = this.#over === 0;
    };
    window.addEventListener("dragenter", over(1));
    window.addEventListener("dragleave", over(-1));
    // Anywhere: a picture that is dropped beside the place would be opened instead of the page.
    window.addEventListener("dragover", (event) => {
      if (!hasFiles(event.dataTransfer)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = this.isShown() && this.me.may("admin") ? "copy" : "none";
    });
    window.addEventListener("drop", (event) => void this.#drop(event));
    window.addEventListener("beforeunload", (event) => this.uploads.pending && event.preventDefault());
  }

  /** @param {DragEvent} event */
  async #drop(event) {
    if (!event.dataTransfer || !hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    this.#over = 0;
    this.target.hidden = true;
    if (!this.isShown()) return;
    const lacks = this.me.lacks("admin");
    if (lacks) return toast(`Adding pictures ${lacks}`, {error: true});
    this.uploads.add(await filesOf(event.dataTransfer));
  }

  #stop() {
    this.uploads.stop();
    this.added();
  }

  #end() {
    const {added, refused} = this.uploads;
    setText(byId("announcements"), `${plural(added, "picture")} added${refused.length ? `, ${refused.length} refused` : ""}`);
    if (added) this.added();
  }
}
