// Who uses the page, and what they may do. The server decides; here is only what it said, so that nobody tries in vain.

import {get} from "../net/api.js";
import {Emitter} from "./emitter.js";

/** @import {Caller, Role} from "../types.js" */

/** @type {Role[]} From the one that may do least. */
export const ROLES = ["viewer", "annotator", "reviewer", "admin"];

/** @extends {Emitter<{change: undefined}>} */
export class Me extends Emitter {
  /** @type {Caller | null} `null` until it is known. */
  caller = null;

  /** Ask the server. Throws what `get` throws. */
  async load() {
    const {body} = await get("api/me");
    if (JSON.stringify(body) === JSON.stringify(this.caller)) return;
    this.caller = body;
    this.emit("change");
  }

  async loadQuietly() {
    // What is known stays until it can be read.
    await this.load().catch(() => {});
  }

  /** The user's name; `null` where that is no one person. */
  get user() {
    const by = this.caller?.by;
    return by === "password" || by === "proxy" || (by === "token" && this.caller?.user !== "token") ? (this.caller?.user ?? null) : null;
  }

  /** Whether there is something to log out from. */
  get canLeave() {
    return this.caller?.by === "password" || this.caller?.by === "token";
  }

  /** @param {Role} role What it takes. */
  may(role) {
    return this.lacks(role) === null;
  }

  /**
   * Why this person may not do what takes a role, in words; `null` where they may.
   * @param {Role} role
   */
  lacks(role) {
    const {caller} = this;
    if (!caller || ROLES.indexOf(caller.role) >= ROLES.indexOf(role)) return null;
    return `needs the role ${role}; yours is ${caller.role}`;
  }
}
