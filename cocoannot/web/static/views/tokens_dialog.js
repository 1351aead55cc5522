// A user's own tokens, for scripts: which there are, making one, which is shown once, and revoking.

import {ApiError, get, messageOf, send} from "../net/api.js";
import {ROLES} from "../state/me.js";
import {openDialog} from "./dialogs.js";
import {el} from "./dom.js";
import {makeForm} from "./fields.js";
import {firstFault} from "./login.js";
import {shownOnce} from "./shown_once.js";
import {ago, dateOf} from "./words.js";

/** @import {Token} from "../types.js" */
/** @import {Me} from "../state/me.js" */

/** @type {[value: string, text: string][]} */
const ENDS = [
  ["90", "90 days"],
  ["30", "30 days"],
  ["365", "a year"],
  ["", "for ever"],
];

/** @param {Me} me */
export async function showTokens(me) {
  const dialog = new TokensDialog(me);
  await dialog.load();
  await openDialog("My tokens", {className: "people", closeButton: true, makeContent: () => dialog.content});
}

class TokensDialog {
  /** @param {Me} me */
  constructor(me) {
    this.me = me;
    this.list = el("div", {class: "people-list"});
    this.made = el("div", {"aria-live": "polite"});
    this.fault = el("p", {class: "fault", role: "alert", hidden: true});
    const own = ROLES.filter((role) => me.may(role)).reverse();
    this.form = makeForm(
      [
        {name: "name", label: "What is it for?"},
        {name: "role", label: "It may do what a ... may", options: own.map((role) => [role, role])},
        {name: "days", label: "It is good for", options: ENDS},
      ],
      {action: "Make a token", submit: (values) => this.#make(values), className: "in-a-row"},
    );
  }

  get content() {
    const intro = el("p", {class: "dim"}, "A script sends one as “Authorization: Bearer TOKEN”. It does what you may do, as you.");
    // The server refuses it: one that was stolen must not make others.
    const form = this.me.caller?.by === "token" ? el("p", {}, "You have logged in by a token. To make or revoke tokens, log in with your password.") : this.form.form;
    return [intro, this.list, this.fault, this.made, form];
  }

  async load() {
    try {
      this.#show((await get("api/me/tokens")).body);
    } catch (error) {
      this.#say(error);
    }
  }

  /** @param {unknown} error */
  #say(error) {
    this.fault.hidden = error === null;
    this.fault.textContent = error === null ? "" : messageOf(error);
  }

  /** @param {Record<string, string>} values */
  async #make({name, role, days}) {
    const body = {name, role, ...(days ? {days: Number(days)} : {})};
    const answer = await send({method: "POST", path: "api/me/tokens", body}).catch((error) => {
      throw error instanceof ApiError && error.status === 422 ? new Error(firstFault(error)) : error;
    });
    this.made.replaceChildren(shownOnce(`The token “${name}”`, answer.body.token));
    this.form.form.reset();
    await this.load();
  }

  /** @param {Token[]} tokens */
  #show(tokens) {
    this.#say(null);
    const canRevoke = this.me.caller?.by !== "token";
    this.list.replaceChildren(
      tokens.length ? el("ul", {}, ...tokens.map((token) => this.#row(token, canRevoke))) : el("p", {class: "nothing"}, "You have no tokens."),
    );
  }

  /**
   * @param {Token} token
   * @param {boolean} canRevoke
   */
  #row(token, canRevoke) {
    const now = Date.now();
    const used = token.used ? `used ${ago(Date.parse(token.used), now)}` : "never used";
    const facts = [token.role ?? "your role", token.expires ? `until ${dateOf(token.expires)}` : "for ever", used];
    return el(
      "li",
      {},
      el("span", {class: "who"}, el("strong", {class: "text"}, token.name), el("span", {class: "dim"}, facts.join(", "))),
      el(
        "button",
        {type: "button", class: "danger", disabled: !canRevoke, "aria-label": `Revoke ${token.name}`, onclick: () => this.#revoke(token)},
        "Revoke",
      ),
    );
  }

  /** @param {Token} token */
  async #revoke(token) {
    try {
      await send({method: "DELETE", path: `api/me/tokens/${encodeURIComponent(token.id)}`});
      await this.load();
    } catch (error) {
      this.#say(error);
    }
  }
}
