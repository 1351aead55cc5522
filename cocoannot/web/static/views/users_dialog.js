// Users, for admins: who there is, adding one, roles, links to set a password, and who may not log in any more.

import {ApiError, get, messageOf, send} from "../net/api.js";
import {ROLES} from "../state/me.js";
import {confirm, openDialog} from "./dialogs.js";
import {el, iconButton} from "./dom.js";
import {face} from "./faces.js";
import {makeForm} from "./fields.js";
import {firstFault} from "./login.js";
import {shownOnce} from "./shown_once.js";

/** @import {Role, User} from "../types.js" */
/** @import {Me} from "../state/me.js" */

/** @param {Me} me */
export async function showUsers(me) {
  const dialog = new UsersDialog(me);
  await dialog.load();
  await openDialog("Users", {className: "people users", closeButton: true, makeContent: () => dialog.content});
}

class UsersDialog {
  /** @param {Me} me */
  constructor(me) {
    this.me = me;
    this.list = el("div", {class: "people-list"});
    this.made = el("div", {"aria-live": "polite"});
    this.fault = el("p", {class: "fault", role: "alert", hidden: true});
    const password = {name: "password", label: "Password", type: "password", autocomplete: "new-password", optional: true, note: "Empty: they get a link to set it"};
    this.form = makeForm(
      [{name: "name", label: "Name"}, {name: "role", label: "Role", value: "annotator", options: ROLES.map((role) => [role, role])}, password],
      {action: "Add", submit: (values) => this.#add(values), className: "in-a-row"},
    );
    this.content = [this.list, this.fault, this.made, el("h3", {}, "Add a user"), this.form.form];
  }

  async load() {
    try {
      const {body} = await get("api/users");
      this.list.replaceChildren(el("ul", {}, ...body.map((user) => this.#row(user))));
    } catch (error) {
      this.#say(error);
    }
  }

  /** @param {unknown} error */
  #say(error) {
    this.fault.hidden = error === null;
    this.fault.textContent = error === null ? "" : wordsOf(error);
  }

  /** @param {Record<string, string>} values */
  async #add({name, role, password}) {
    const body = {name, role, ...(password ? {password} : {link: true})};
    const answer = await send({method: "POST", path: "api/users", body}).catch((error) => {
      throw new Error(wordsOf(error));
    });
    this.#showLink(answer.body);
    this.form.form.reset();
    await this.load();
  }

  /** @param {User} user */
  #showLink({name, link}) {
    if (link === undefined) return this.made.replaceChildren();
    const address = new URL(link.replace(/^\//, ""), new URL(".", document.baseURI)).href;
    this.made.replaceChildren(shownOnce(`A link for ${name} to set a password, good once and for three days`, address));
  }

  /** @param {User} user */
  #row(user) {
    const {name, role, active} = user;
    const isMe = name === this.me.user;
    const roles = el(
      "select",
      {"aria-label": `Role of ${name}`, onchange: () => this.#change(user, {role: /** @type {Role} */ (roles.value)})},
      ...ROLES.map((each) => el("option", {value: each}, each)),
    );
    roles.value = role;
    return el(
      "li",
      {class: active ? "" : "inactive"},
      face(name, ""),
      el("span", {class: "who"}, el("strong", {class: "text", title: name}, name), el("span", {class: "dim"}, stateOf(user, isMe))),
      roles,
      el("button", {type: "button", class: "quiet", "aria-label": `New link for ${name}`, onclick: () => this.#change(user, {link: true})}, "New link"),
      el(
        "button",
        {type: "button", class: "quiet", "aria-label": `${active ? "Disable" : "Enable"} ${name}`, onclick: () => this.#disable(user)},
        active ? "Disable" : "Enable",
      ),
      iconButton("delete", `Delete ${name}`, () => this.#delete(user)),
    );
  }

  /** @param {User} user */
  async #disable(user) {
    const {name, active} = user;
    const text = `${name} is logged out, and loses all tokens. What ${name} has changed stays.`;
    if (active && !(await confirm(`Disable ${name}?`, text, "Disable", {danger: true}))) return;
    await this.#change(user, {active: !active});
  }

  /** @param {User} user */
  async #delete({name}) {
    const text = `${name} can't log in any more. What ${name} has changed stays, with the name.`;
    if (!(await confirm(`Delete ${name}?`, text, "Delete", {danger: true}))) return;
    await this.#send({method: "DELETE", path: pathOf(name)});
  }

  /**
   * @param {User} user
   * @param {{role?: Role, active?: boolean, link?: true}} changes
   */
  #change({name}, changes) {
    return this.#send({method: "PATCH", path: pathOf(name), body: changes});
  }

  /** @param {import("../types.js").Request} request */
  async #send(request) {
    try {
      const {body} = await send(request);
      this.#say(null);
      if (body?.link) this.#showLink(body);
    } catch (error) {
      this.#say(error);
    }
    await this.load();
    // It may have been one's own role.
    await this.me.loadQuietly();
  }
}

/** @param {string} name */
const pathOf = (name) => `api/users/${encodeURIComponent(name)}`;

/**
 * @param {User} user
 * @param {boolean} isMe
 */
function stateOf({active, has_password: hasPassword}, isMe) {
  const state = !active ? "disabled" : hasPassword ? "has a password" : "no password yet";
  return isMe ? `you, ${state}` : state;
}

/** @param {unknown} error */
const wordsOf = (error) => (error instanceof ApiError && error.status === 422 ? firstFault(error) : messageOf(error));
