// Talking to the server: JSON, versions, errors, asking to log in. What calls mean is not known here.

import {parse, stringify} from "./json.js";

/** @import {Answer, Body, Request} from "../types.js" */

/** A connection over which nothing comes for so long is taken for a broken one. */
const PATIENCE = 60_000;
/** Bytes a millisecond of the slowest connection that a picture may come by. */
const SLOWEST = 16;

/** @typedef {RequestInit & {patience?: number}} Init `patience` in milliseconds. */

/** The server refused: `status`, `errors` by field, and `etag` of what is there where that was the reason. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {{message?: string, errors?: Record<string, any>} | null} body
   * @param {string | null} [etag]
   * @param {number} [wait] Seconds until it may be tried again.
   */
  constructor(status, body, etag = null, wait = 0) {
    super(body?.message ?? `The server answered ${status}`);
    this.status = status;
    this.errors = body?.errors ?? {};
    this.etag = etag;
    this.wait = wait;
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
/** @type {(error: ApiError) => Promise<void>} */
let askToLogIn = (error) => Promise.reject(error);
/** @type {() => unknown} */
let forbidden = () => {};
/** @type {Promise<void> | null} */
let loggingIn = null;

/**
 * Calls `listener(revision)` with the dataset's revision of each answer, and with each that `tellRevision` tells.
 * @param {(revision: number) => void} listener
 */
export function onRevision(listener) {
  revisionListeners.add(listener);
  return () => revisionListeners.delete(listener);
}

/** The dataset has this revision, as is known from elsewhere. @param {number} revision */
export function tellRevision(revision) {
  for (const listener of revisionListeners) listener(revision);
}

/**
 * `ask(error)` is done when somebody has logged in; calls that were refused meanwhile are made again then. It throws where that will
 * not be.
 * @param {(error: ApiError) => Promise<void>} ask
 */
export function onLogin(ask) {
  askToLogIn = ask;
}

/** `listener()` hears of each call that this person may not make. @param {() => unknown} listener */
export function onForbidden(listener) {
  forbidden = listener;
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
 * @param {number} [patience] In milliseconds, for what takes long.
 * @returns {Promise<Answer<any>>}
 */
export function send({method, path, body, ifMatch}, key = newKey(), patience = PATIENCE) {
  /** @type {Record<string, string>} */
  const headers = {"Idempotency-Key": key};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (ifMatch) headers["If-Match"] = ifMatch;
  return call(method, path, {headers, patience, body: body === undefined ? undefined : stringify(body)});
}

/**
 * Send a picture. Throws as `send` does.
 * @param {string} path
 * @param {{method: "POST" | "PUT", body: FormData | Blob, key: string, bytes: number, signal: AbortSignal}} options
 */
export function sendPicture(path, {method, body, key, bytes, signal}) {
  /** @type {Record<string, string>} */
  const headers = {"Idempotency-Key": key};
  // A form brings its own type.
  if (!(body instanceof FormData)) headers["Content-Type"] = body.type || "application/octet-stream";
  return call(method, path, {headers, body, signal, patience: PATIENCE + bytes / SLOWEST});
}

/** A name that nobody else gives to a change. `randomUUID` is there only where the page came by https or from this machine. */
export function newKey() {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A call that says who one is, or where: nobody is asked to log in for it. Throws as `send` does.
 * @param {"GET" | "POST" | "PUT" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{keepalive?: boolean}} [options] `keepalive`: it goes out though the page is closed.
 */
export async function tell(method, path, body, {keepalive = false} = {}) {
  /** @type {Record<string, string>} */
  const headers = body === undefined ? {} : {"Content-Type": "application/json"};
  const answer = await attempt(method, path, {headers, keepalive, body: body === undefined ? undefined : JSON.stringify(body)});
  if (answer.status >= 400) throw refusal(answer);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Init} options
 * @returns {Promise<Answer<any>>}
 */
async function call(method, path, options) {
  for (;;) {
    const answer = await attempt(method, path, options);
    if (answer.status < 400) return answer;
    if (answer.status === 403) forbidden();
    if (answer.status !== 401) throw refusal(answer);
    loggingIn ??= askToLogIn(refusal(answer)).finally(() => (loggingIn = null));
    await loggingIn;
  }
}

/** @param {Answer<any>} answer */
const refusal = ({status, body, etag, headers}) => new ApiError(status, body, etag, Number(headers.get("Retry-After")));

/**
 * @param {string} method
 * @param {string} path
 * @param {Init} options
 * @returns {Promise<Answer<any>>}
 */
async function attempt(method, path, {signal, patience = PATIENCE, ...options}) {
  let response, text;
  try {
    const limit = AbortSignal.timeout(patience);
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
  if (headers.has("X-Dataset-Revision")) tellRevision(revision);
  const change = headers.has("X-Change-Revision") ? Number(headers.get("X-Change-Revision")) : null;
  return {status, body, etag: headers.get("ETag"), revision, change, headers};
}
