// Logging in, at the start and in the middle of work: what waits to be sent goes on then, as the same person's. And setting a password
// by a link that is good once.

import {ApiError, messageOf, tell} from "../net/api.js";
import {el} from "./dom.js";
import {fillIn} from "./fields.js";
import {plural} from "./words.js";

/** @import {Queue} from "../types.js" */
/** @import {Me} from "../state/me.js" */

/** @typedef {{queue: Pick<Queue, "pending">, me: Me}} Parts */

/**
 * Asks until somebody has logged in, here or in another tab.
 * @param {ApiError} error what the server said
 * @param {Parts} parts
 */
export async function askToLogIn(error, parts) {
  let byToken = /^A token/.test(error.message);
  for (;;) {
    const way = {other: false};
    if (await ask(error, parts, byToken, way)) return;
    if (way.other) byToken = !byToken;
  }
}

/**
 * @param {ApiError} error
 * @param {Parts} parts
 * @param {boolean} byToken
 * @param {{other: boolean}} way `other`: the user wants to log in by something else.
 */
async function ask(error, {queue, me}, byToken, way) {
  const waiting = queue.pending;
  const sameUser = waiting && me.user !== null ? me.user : null;
  /** @type {(value: true | null) => void} */
  let close = () => {};
  const look = () => void isIn().then((isThere) => isThere && close(true));
  const change = () => {
    way.other = true;
    close(null);
  };
  document.addEventListener("visibilitychange", look);
  try {
    return await fillIn("Log in", {
      closable: false,
      opened: (closeDialog) => (close = closeDialog),
      before: notes(error, waiting, sameUser),
      fields: byToken ? TOKEN : passwordFields(sameUser ?? me.user ?? "", sameUser !== null),
      action: "Log in",
      submit: (values) => logIn(values),
      after: [
        el(
          "div",
          {class: "other-ways"},
          el("button", {type: "button", class: "quiet", onclick: change}, byToken ? "By user and password" : "By a token"),
          sameUser ? el("button", {type: "button", class: "quiet", onclick: () => location.reload()}, `Not ${sameUser}?`) : null,
        ),
      ],
    });
  } finally {
    document.removeEventListener("visibilitychange", look);
  }
}

/** @type {import("./fields.js").Field[]} */
const TOKEN = [{name: "token", label: "Token", type: "password", autocomplete: "off"}];

/**
 * @param {string} user
 * @param {boolean} readonly
 * @returns {import("./fields.js").Field[]}
 */
const passwordFields = (user, readonly) => [
  {name: "user", label: "User", value: user, readonly, autocomplete: "username"},
  {name: "password", label: "Password", type: "password", autocomplete: "current-password"},
];

/**
 * @param {ApiError} error
 * @param {number} waiting
 * @param {string | null} user whose changes wait
 */
function notes(error, waiting, user) {
  const hasEnded = /session has ended/.test(error.message);
  const kept = waiting ? `${plural(waiting, "change")}${user ? ` of ${user}` : ""} wait${waiting === 1 ? "s" : ""} here, to be sent then.` : "";
  const words = [hasEnded ? "You were logged out." : "", kept].filter(Boolean).join(" ");
  return words ? [el("p", {}, words)] : [];
}

/** @param {Record<string, string>} values */
async function logIn(values) {
  try {
    await tell("POST", "api/login", values);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 429) throw new Error(`Too many attempts: try again in ${plural(Math.max(1, error.wait), "second")}.`);
    throw new Error(error.status === 401 ? messageOf(error).replace(/[^.]$/, "$&.") : firstFault(error));
  }
}

/** Somebody has logged in by another tab. */
const isIn = () =>
  tell("GET", "api/me").then(
    () => true,
    () => false,
  );

/** What is wrong with a field, where the server says so. @param {ApiError} error */
export function firstFault(error) {
  const fields = Object.values(error.errors.json ?? error.errors)[0];
  return Array.isArray(fields) && typeof fields[0] === "string" ? fields[0] : error.message;
}

const LINK = /^#password=(.+)$/;

/** Where the address is a link to set a password: asks for one. The secret goes out of the address first. */
export async function usePasswordLink() {
  const link = LINK.exec(location.hash)?.[1];
  if (link === undefined) return;
  history.replaceState(null, "", "#/images");
  await fillIn("Set your password", {
    before: [el("p", {}, "The link is good once. Log in with the new password then.")],
    fields: [
      {name: "password", label: "New password", type: "password", autocomplete: "new-password", note: "At least 8 characters"},
      {name: "again", label: "Once more", type: "password", autocomplete: "new-password"},
    ],
    action: "Set it",
    submit: async ({password, again}) => {
      if (password !== again) throw new Error("The two are not the same.");
      await tell("POST", "api/password", {link: decodeURIComponent(link), password}).catch((error) => {
        throw error instanceof ApiError && error.status === 422 ? new Error(firstFault(error)) : error;
      });
    },
  });
}
