// Who one is, in the head of the page: tokens, users, logging out. Where there are no users and no token, there is nothing.

import {messageOf, send} from "../net/api.js";
import {confirm} from "./dialogs.js";
import {el, setText} from "./dom.js";
import {face} from "./faces.js";
import {icon} from "./icons.js";
import {toast} from "./toasts.js";
import {showTokens} from "./tokens_dialog.js";
import {showUsers} from "./users_dialog.js";
import {plural} from "./words.js";

/** @import {Queue} from "../types.js" */
/** @import {Me} from "../state/me.js" */

export class Account {
  /** @param {{me: Me, queue: Queue, left: () => unknown}} parts `left` is called when the user has logged out. */
  constructor({me, queue, left}) {
    this.me = me;
    this.queue = queue;
    this.left = left;
    this.mark = el("span", {class: "account-mark"});
    this.button = el(
      "button",
      {type: "button", class: "quiet account-button", popovertarget: "account", "aria-haspopup": "dialog", hidden: true},
      this.mark,
    );
    this.name = el("p", {class: "account-name"});
    this.role = el("p", {class: "dim"});
    this.tokens = this.#item("key", "My tokens", () => showTokens(me));
    this.users = this.#item("people", "Users", () => showUsers(me));
    this.leave = this.#item("leave", "Log out", () => this.logOut());
    this.panel = el(
      "div",
      {class: "popover account", popover: "auto", role: "dialog", "aria-label": "Your account", id: "account"},
      this.name,
      this.role,
      el("hr"),
      this.tokens,
      this.users,
      this.leave,
    );
    this.panel.addEventListener("toggle", () => this.#place());
    me.on("change", () => this.#show());
    this.#show();
  }

  async logOut() {
    const {pending} = this.queue;
    const text = `${plural(pending, "change")} could not be sent yet, and would be lost.`;
    if (pending && !(await confirm("Log out?", text, "Log out", {danger: true}))) return;
    try {
      await send({method: "POST", path: "api/logout"});
      this.left();
    } catch (error) {
      toast(messageOf(error), {error: true});
    }
  }

  /**
   * @param {string} iconName
   * @param {string} text
   * @param {() => unknown} run
   */
  #item(iconName, text, run) {
    const open = () => {
      this.panel.hidePopover();
      void run();
    };
    return el("button", {type: "button", class: "quiet item", onclick: open}, icon(iconName), text);
  }

  #show() {
    const {caller} = this.me;
    const isSomebody = caller !== null && caller.by !== "none";
    this.button.hidden = !isSomebody;
    if (!isSomebody) return;
    const {user} = this.me;
    this.mark.replaceChildren(face(user, ""));
    const name = user ?? "Everybody with the token";
    this.button.title = `${name}, ${caller.role}`;
    this.button.setAttribute("aria-label", `Your account: ${name}, ${caller.role}`);
    setText(this.name, name);
    setText(this.role, caller.role);
    this.tokens.hidden = user === null;
    this.users.hidden = !this.me.may("admin");
    this.leave.hidden = !this.me.canLeave;
  }

  #place() {
    const {bottom, right} = this.button.getBoundingClientRect();
    this.panel.style.top = `${bottom + 4}px`;
    this.panel.style.right = `${Math.max(8, document.documentElement.clientWidth - right)}px`;
  }
}
