// The head of the page: where one is, which dataset, what is saved and what is not, undo and redo.

import {ApiError, messageOf} from "../net/api.js";
import {choose} from "./dialogs.js";
import {byId, el, setAttribute, setText} from "./dom.js";
import {icon} from "./icons.js";
import {toast} from "./toasts.js";

/** @import {Route, SaveState} from "../types.js" */
/** @import {Me} from "../state/me.js" */
/** @import {Account} from "./account.js" */
/** @import {CommandButtons} from "./command_button.js" */
/** @import {PeopleHere} from "./here.js" */

/** What is said by words that grow old by themselves ("saves in 12 s") is written anew so often. */
const TICK = 500;

export class Header {
  /**
   * @param {HTMLElement} element
   * @param {{saveState: SaveState, buttons: CommandButtons, me: Me, people: PeopleHere, account: Account}} parts
   */
  constructor(element, {saveState, buttons, me, people, account}) {
    this.saveState = saveState;
    this.me = me;
    this.images = el("a", {href: "#/images", id: "to-images"}, icon("images"), "Images");
    this.statistics = el("a", {href: "#/statistics", id: "to-statistics"}, icon("statistics"), "Statistics");
    this.dataset = el("span", {id: "dataset", class: "dataset text"});
    this.state = el("span", {id: "save-state", class: "save-state"}, el("span", {class: "text"}, "Loading..."));
    this.s3State = el("span", {class: "s3-state"});
    this.s3Button = el("button", {type: "button", onclick: () => this.upload()}, icon("cloud"), "Save to S3");
    this.s3 = el("span", {id: "s3", class: "s3", hidden: true}, this.s3State, this.s3Button);
    element.replaceChildren(
      el("nav", {"aria-label": "Views"}, this.images, this.statistics),
      this.dataset,
      el(
        "div",
        {class: "head-state"},
        people.button,
        this.s3,
        this.state,
        el(
          "span",
          {class: "group"},
          buttons.make("undo", {id: "undo", iconName: "undo"}),
          buttons.make("redo", {id: "redo", iconName: "redo"}),
          buttons.make("keys.show", {id: "help", iconName: "keys"}),
        ),
        account.button,
      ),
      people.panel,
      account.panel,
    );
    me.on("change", () => this.#show());
    saveState.on("change", () => this.#show());
    // The words change each second; a screen reader hears of it only when something else holds.
    saveState.on("announce", (text) => setText(byId("announcements"), text));
    setInterval(() => this.#show(), TICK);
    this.#show();
  }

  /** @param {Route["view"]} view */
  showView(view) {
    setAttribute(this.images, "aria-current", view === "images" ? "page" : view === "image" ? "true" : null);
    setAttribute(this.statistics, "aria-current", view === "statistics" ? "page" : null);
  }

  /** "Images" leads back to the list as it was filtered. @param {string} address */
  setImagesAddress(address) {
    setAttribute(this.images, "href", address);
  }

  async saveNow() {
    try {
      const {saved, summary} = await this.saveState.saveNow();
      toast(saved ? `Saved: ${summary}` : "Everything is saved");
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) await this.#settleFile(error);
      else toast(messageOf(error), {error: true});
    }
  }

  async upload() {
    try {
      await this.saveState.upload();
      toast("Uploaded to S3");
    } catch (error) {
      if (error instanceof ApiError && error.errors.current_etag !== undefined) await this.#settleS3(error);
      else toast(messageOf(error), {error: true});
    }
  }

  /** @param {ApiError} error */
  async #settleFile(error) {
    const lacks = this.me.lacks("admin");
    const choice = await choose("Something else changed the file", el("p", {}, lacks ? `${error.message} To decide ${lacks}.` : error.message), [
      {value: null, text: "Decide later", primary: true},
      ...(lacks ? [] : [{value: true, text: "Save ours, keep theirs beside it", danger: true}]),
    ]);
    if (choice) await this.saveState.saveNow("overwrite").catch((again) => toast(messageOf(again), {error: true}));
  }

  /** @param {ApiError} error */
  async #settleS3(error) {
    const choice = await choose("S3 has another version", el("p", {}, error.message), [
      {value: null, text: "Decide later", primary: true},
      {value: true, text: "Keep theirs as a copy, upload ours", danger: true},
    ]);
    if (choice)
      await this.saveState.upload("overwrite").then(
        () => toast("Uploaded to S3"),
        (again) => toast(messageOf(again), {error: true}),
      );
  }

  #show() {
    const {text, kind, title, failed} = this.saveState.words();
    setAttribute(this.state, "class", `save-state ${kind}`);
    setAttribute(this.state, "title", `${text}. ${title}`);
    const has = this.state.firstElementChild;
    if (failed !== has instanceof HTMLButtonElement)
      this.state.replaceChildren(
        failed ? el("button", {type: "button", onclick: () => this.saveNow()}, el("span", {class: "text"})) : el("span", {class: "text"}),
      );
    const words = this.state.querySelector(".text");
    if (words) setText(words, text);
    setText(this.dataset, this.saveState.name);
    this.#showS3();
  }

  #showS3() {
    const words = this.saveState.s3Words();
    this.s3.hidden = words === null;
    if (!words) return;
    setText(this.s3State, words.text);
    setAttribute(this.s3State, "class", `s3-state ${words.state}`);
    setAttribute(this.s3State, "title", words.title);
    const lacks = this.me.lacks("admin");
    this.s3Button.disabled = words.uploading || lacks !== null;
    setAttribute(this.s3Button, "title", lacks ? `Save to S3: ${lacks}` : null);
  }
}
