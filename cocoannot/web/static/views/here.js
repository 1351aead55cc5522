// Who else is there: in the head of the page, and who of them is on the open image, in the editor's bar. Never over the picture.

import {hereWords, nameOfPerson} from "../state/people.js";
import {imageAddress} from "../state/router.js";
import {el, setAttribute, setText} from "./dom.js";
import {face, faces} from "./faces.js";

/** @import {Person} from "../types.js" */
/** @import {Me} from "../state/me.js" */
/** @import {Presence} from "../state/presence.js" */

/** A button with at most six faces, and what it opens: everybody, where they are, and following one of them. */
export class PeopleHere {
  /** @type {string | null} The key of whom the page follows. */
  followed = null;

  /** @param {{presence: Presence, me: Me, go: (imageId: number) => unknown}} parts */
  constructor({presence, me, go}) {
    this.presence = presence;
    this.me = me;
    this.go = go;
    this.button = el("button", {type: "button", class: "quiet people-here", popovertarget: "people", "aria-haspopup": "dialog", hidden: true});
    this.list = el("ul");
    this.panel = el(
      "div",
      {class: "popover people-panel", popover: "auto", role: "dialog", "aria-label": "Who is here", id: "people"},
      el("h2", {}, "Who is here"),
      this.list,
    );
    this.panel.addEventListener("toggle", () => this.#place());
    presence.on("change", () => this.#show());
    presence.on("moved", (person) => person.key === this.followed && person.imageId !== null && go(person.imageId));
    me.on("change", () => this.#show());
    this.#show();
  }

  /** @param {Person | null} person */
  follow(person) {
    this.followed = person?.key ?? null;
    if (person && person.imageId !== null) this.go(person.imageId);
    this.#show();
  }

  /** The page shows an image: who goes elsewhere does not follow any more. @param {number | null} imageId */
  cameTo(imageId) {
    const person = this.presence.people.find(({key}) => key === this.followed);
    if (person && person.imageId !== imageId) this.follow(null);
  }

  #show() {
    const {people} = this.presence;
    if (this.followed !== null && !people.some(({key}) => key === this.followed)) this.followed = null;
    this.button.hidden = !people.length;
    this.button.replaceChildren(...faces(people));
    const names = people.map(({user}) => nameOfPerson(user)).join(", ");
    setAttribute(this.button, "title", `Here too: ${names}`);
    setAttribute(this.button, "aria-label", `Who is here: ${names}`);
    if (!people.length) this.panel.hidePopover();
    this.list.replaceChildren(...people.map((person) => this.#row(person)));
  }

  /** @param {Person} person */
  #row(person) {
    const {user, imageId, editing} = person;
    const isFollowed = person.key === this.followed;
    const where = imageId === null ? "on no image" : el("a", {href: imageAddress(imageId, {})}, `on image ${imageId}`);
    const canFollow = this.me.may("reviewer");
    return el(
      "li",
      {},
      face(user, ""),
      el("span", {class: "who"}, el("strong", {class: "text"}, nameOfPerson(user)), el("span", {class: "dim"}, where, editing ? ", at work" : "")),
      canFollow
        ? el(
            "button",
            {type: "button", "aria-pressed": String(isFollowed), title: "Go to each image that they go to", onclick: () => this.follow(isFollowed ? null : person)},
            isFollowed ? "Following" : "Follow",
          )
        : null,
    );
  }

  #place() {
    const {bottom, right} = this.button.getBoundingClientRect();
    this.panel.style.top = `${bottom + 4}px`;
    this.panel.style.right = `${Math.max(8, document.documentElement.clientWidth - right)}px`;
  }
}

/** The line in the editor's bar. */
export class OnThisImage {
  constructor() {
    this.faces = el("span", {class: "faces"});
    this.words = el("span", {class: "text"});
    this.element = el("div", {class: "here", role: "status", hidden: true}, this.faces, this.words);
  }

  /** @param {Person[]} people */
  show(people) {
    const words = hereWords(people.map(({user}) => user));
    this.element.hidden = !people.length;
    // A status is read aloud when its text changes, and only then.
    setText(this.words, words);
    setAttribute(this.element, "title", words);
    this.faces.replaceChildren(...faces(people, 3));
  }
}
