// Talking to the server: JSON, versions, errors, the token. What calls mean is not known here.

/** @import {Answer, Body} from "./types.js" */

/** The server refused: `status`, `errors` by field, and `etag` of what is there where that was the reason. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {{message?: string, errors?: Record<string, unknown>} | null} body
   * @param {string | null} etag
   */
  constructor(status, body, etag) {
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
 * GET; with `etag`, status 304 and no body where that is still current.
 * @template {string} Path
 * @param {Path} path
 * @param {{etag?: string | null, signal?: AbortSignal}} [options]
 * @returns {Promise<Answer<Body<Path>>>}
 */
export function get(path, {etag, signal} = {}) {
  return call("GET", path, {headers: etag ? {"If-None-Match": etag} : {}, signal});
}

/**
 * POST, PUT, PATCH or DELETE, answered as `get` is.
 * @template {string} Path
 * @param {string} method
 * @param {Path} path
 * @param {unknown} [body]
 * @param {{ifMatch?: string}} [options]
 * @returns {Promise<Answer<Body<Path>>>}
 */
export function send(method, path, body, {ifMatch} = {}) {
  const headers = {...(body === undefined ? {} : {"Content-Type": "application/json"}), ...(ifMatch ? {"If-Match": ifMatch} : {})};
  return call(method, path, {headers, body: body === undefined ? undefined : JSON.stringify(body)});
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
async function attempt(method, path, options) {
  let response, text;
  try {
    response = await fetch(path, {method, cache: "no-store", credentials: "same-origin", ...options});
    text = response.status === 204 || response.status === 304 ? "" : await response.text();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Offline();
  }
  const revision = Number(response.headers.get("X-Dataset-Revision"));
  if (response.headers.has("X-Dataset-Revision")) for (const listener of revisionListeners) listener(revision);
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    // A proxy's error page: its status says enough.
    if (response.ok) throw new Offline();
  }
  if (response.status === 502 || response.status === 504) {
    // Of a proxy whose server is away; the server's own 502 has a body and is about S3.
    if (body === null) throw new Offline();
  }
  return {status: response.status, body, etag: response.headers.get("ETag"), revision, headers: response.headers};
}

async function logIn() {
  let message = "This server wants a token.";
  for (;;) {
    const token = await askForToken(message);
    const answer = await attempt("POST", "api/login", {
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify({token: token ?? ""}),
    });
    if (answer.status < 400) return;
    message = answer.body?.message ?? "That did not work.";
  }
}
