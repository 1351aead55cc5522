// Talking to the server: JSON, versions, errors, the token. What calls mean is not known here.

import {parse, stringify} from "./json.js";

/** @import {Answer, Body, Request} from "../types.js" */

/** A connection over which nothing comes for so long is taken for a broken one. */
const PATIENCE = 60_000;

/** The server refused: `status`, `errors` by field, and `etag` of what is there where that was the reason. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {{message?: string, errors?: Record<string, any>} | null} body
   * @param {string | null} [etag]
   */
  constructor(status, body, etag = null) {
    super(body?.message ?? `The server answered ${status}`);
    this.status = status;
    this.errors = body?.errors ?? {};
    this.etag = etag;
  }
}

/** The server did not answer: whether it did what was asked is not known. */
export class Offline extends Error {
  constructor() {
    super("The server does not answer");
  }
}

/**
 * Whether a call was given up by its own signal.
 * @param {unknown} error
 */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/**
 * Whether the same call may succeed later: no answer, or the server can't take changes now (its disk is full, it is starting).
 * @param {unknown} error
 */
export const isForNow = (error) => error instanceof Offline || (error instanceof ApiError && [429, 502, 503, 504, 507].includes(error.status));

/**
 * What an error that was caught says.
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** @type {Set<(revision: number) => void>} */
const revisionListeners = new Set();
/** @type {(message: string) => Promise<string | null>} */
let askForToken = async () => null;
/** @type {Promise<void> | null} */
let loggingIn = null;

/**
 * Calls `listener(revision)` with the dataset's revision of each answer.
 * @param {(revision: number) => void} listener
 */
export function onRevision(listener) {
  revisionListeners.add(listener);
  return () => revisionListeners.delete(listener);
}

/**
 * `ask(message)` gives the token, when the server wants one.
 * @param {(message: string) => Promise<string | null>} ask
 */
export function onLogin(ask) {
  askForToken = ask;
}

/**
 * GET; with `etag`, status 304 and no body where that is still current. Throws ApiError and Offline, as `send` does.
 * @template {string} Path
 * @param {Path} path
 * @param {{etag?: string | null, signal?: AbortSignal}} [options]
 * @returns {Promise<Answer<Body<Path>>>}
 */
export function get(path, {etag, signal} = {}) {
  return call("GET", path, {headers: etag ? {"If-None-Match": etag} : {}, signal});
}

/**
 * A change. Sent again with the same `key`, it is made once, and answered as it was the first time.
 * @param {Request} request
 * @param {string} key
 * @returns {Promise<Answer<any>>}
 */
export function send({method, path, body, ifMatch}, key = newKey()) {
  /** @type {Record<string, string>} */
  const headers = {"Idempotency-Key": key};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (ifMatch) headers["If-Match"] = ifMatch;
  return call(method, path, {headers, body: body === undefined ? undefined : stringify(body)});
}

/** A name that nobody else gives to a change. `randomUUID` is there only where the page came by https or from this machine. */
export function newKey() {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} method
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<Answer<any>>}
 */
async function call(method, path, options) {
  for (;;) {
    const answer = await attempt(method, path, options);
    if (answer.status !== 401) {
      if (answer.status >= 400) throw new ApiError(answer.status, answer.body, answer.etag);
      return answer;
    }
    loggingIn ??= logIn().finally(() => (loggingIn = null));
    await loggingIn;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<Answer<any>>}
 */
async function attempt(method, path, {signal, ...options}) {
  let response, text;
  try {
    const limit = AbortSignal.timeout(PATIENCE);
    const init = {method, cache: /** @type {const} */ ("no-store"), credentials: /** @type {const} */ ("same-origin"), ...options};
    response = await fetch(path, {...init, signal: signal ? AbortSignal.any([signal, limit]) : limit});
    text = response.status === 204 || response.status === 304 ? "" : await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Offline();
  }
  return read(response, text);
}

/**
 * @param {Response} response
 * @param {string} text
 * @returns {Answer<any>}
 */
function read(response, text) {
  const {headers, status} = response;
  // A connection that is cut within the head of an answer leaves one that seems fine, without the rest of it.
  const isWhole = headers.has("X-Dataset-Revision") && (text !== "" || status === 204 || status === 304);
  if (status < 400 && !isWhole) throw new Offline();
  let body = null;
  try {
    body = text ? parse(text) : null;
  } catch {
    // A proxy's error page: its status says enough. Where all seems well, it is not what was asked for.
    if (response.ok) throw new Offline();
  }
  // Of a proxy whose server is away; the server's own 502 has a body and is about S3.
  if ((response.status === 502 || response.status === 504) && body === null) throw new Offline();
  const revision = Number(headers.get("X-Dataset-Revision"));
  if (headers.has("X-Dataset-Revision")) for (const listener of revisionListeners) listener(revision);
  const change = headers.has("X-Change-Revision") ? Number(headers.get("X-Change-Revision")) : null;
  return {status, body, etag: headers.get("ETag"), revision, change, headers};
}

async function logIn() {
  let message = "This server wants a token.";
  for (;;) {
    const token = await askForToken(message);
    const headers = {"Content-Type": "application/json"};
    const answer = await attempt("POST", "api/login", {headers, body: JSON.stringify({token: token ?? ""})});
    if (answer.status < 400) return;
    message = answer.body?.message ?? "That did not work.";
  }
}
