// The save state, always in sight: what is not saved yet, when it will be, what went wrong; for S3 too.

import {ApiError, Offline, get, messageOf, onRevision, send} from "./api.js";
import {isAway, onChange, pending} from "./changes.js";
import {choose, toast} from "./dialogs.js";
import {byId, el, plural} from "./dom.js";

/** @import {S3Status, Status} from "./types.js" */

const SOON = 1000;
const LATER = 10_000;

/** @type {Status | null} */
let status = null;
let readAt = 0;
let saving = false;
let reachable = true;
/** @type {string | null} */
let loadedAt = null;
/** @type {number | undefined} */
let timer;
/** @type {Set<() => void>} */
const restartListeners = new Set();

/**
 * Calls `listener()` when the server was started again since the page was opened.
 * @param {() => void} listener
 */
export function onRestart(listener) {
  restartListeners.add(listener);
}

export function start() {
  onChange(show);
  onRevision((revision) => {
    // A change that is not in what we know of: look soon.
    if (status && revision !== status.revision.memory) schedule(200);
  });
  setInterval(show, 500);
  document.addEventListener("visibilitychange", () => document.hidden || schedule(0));
  return poll();
}

export async function saveNow() {
  saving = true;
  show();
  try {
    const {body} = await send("POST", "api/flush", {});
    toast(body.saved ? `Saved: ${body.summary}` : "Everything is saved");
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) await settleFile(error);
    else toast(messageOf(error), {error: true});
  } finally {
    saving = false;
    await poll();
  }
}

/** @param {ApiError} error */
async function settleFile(error) {
  const choice = await choose("Something else changed the file", el("p", {}, error.message), [
    {value: "overwrite", text: "Save ours, keep theirs beside it", danger: true},
    {value: null, text: "Decide later", primary: true},
  ]);
  if (choice) await send("POST", "api/flush", {on_conflict: choice});
}

/** @param {number} milliseconds */
function schedule(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(poll, milliseconds);
}

async function poll() {
  clearTimeout(timer);
  try {
    const {body} = await get("api/status");
    readAt = performance.now();
    if (loadedAt !== null && loadedAt !== body.dataset.loaded_at) for (const listener of restartListeners) listener();
    loadedAt = body.dataset.loaded_at;
    status = body;
    reachable = true;
  } catch (error) {
    if (error instanceof Offline || (error instanceof ApiError && error.status === 503)) reachable = false;
    else toast(messageOf(error), {error: true});
  }
  show();
  const busy = !reachable || saving || status?.saver.next_save_in !== null || status?.s3?.uploading;
  schedule(busy ? SOON : document.hidden ? 6 * LATER : LATER / 4);
}

/** @returns {[words: string, kind: string]} */
function text() {
  const waiting = pending();
  if (waiting && (isAway() || !reachable)) return [`Server away - ${plural(waiting, "change")} kept here, trying again`, "error"];
  if (!reachable) return ["Server away - trying again", "error"];
  if (!status) return ["Loading...", ""];
  const {saver, revision} = status;
  if (saving || waiting) return [saving ? "Saving..." : "Sending...", "busy"];
  if (saver.last_error) return [`Save failed: ${shortReason(saver.last_error)} - retry`, "error"];
  if (saver.next_save_in !== null) {
    const seconds = Math.max(0, saver.next_save_in - (performance.now() - readAt) / 1000);
    const what = plural(revision.memory - revision.file, "unsaved change");
    return seconds < 0.5 ? ["Saving...", "busy"] : [`${what} - saves in ${Math.ceil(seconds)} s`, "unsaved"];
  }
  return [saver.last_saved_at ? `Saved ${new Date(saver.last_saved_at).toTimeString().slice(0, 8)}` : "Saved", "saved"];
}

/**
 * The reason alone, of a message that says where, what and what to do.
 * @param {string} message
 */
function shortReason(message) {
  const reason = /No space left|Disk quota/.test(message) ? "disk full" : /changed/.test(message) ? "file changed by something else" : null;
  return reason ?? message.replace(/;.*/s, "").replace(/^can't save .*: /, "");
}

function show() {
  const element = byId("save-state");
  const [words, kind] = text();
  const title = status?.saver.last_error ?? "Ctrl+S saves now";
  if (element.textContent !== words || element.title !== title) {
    const failed = words.startsWith("Save failed");
    element.className = `save-state ${kind}`;
    element.title = title;
    element.replaceChildren(failed ? el("button", {type: "button", onclick: saveNow}, words) : words);
  }
  byId("dataset").textContent = status ? status.dataset.uri.split("/").at(-1) ?? "" : "";
  byId("s3").hidden = !status?.s3;
  if (status?.s3) showS3(status.s3, status.revision);
}

/**
 * @param {S3Status} s3
 * @param {Status["revision"]} revision
 */
function showS3(s3, revision) {
  const element = byId("s3");
  const ahead = revision.s3 === null ? null : revision.memory - revision.s3;
  const words = s3.uploading
    ? `S3: uploading ${Math.round((100 * s3.uploading.bytes) / Math.max(1, s3.uploading.total))} %`
    : `S3: ${s3.state === "ahead" && ahead !== null ? `${ahead} ahead` : s3.state}`;
  const key = `${words}|${s3.last_error}`;
  if (element.dataset.shown === key) return;
  element.dataset.shown = key;
  const button = el("button", {type: "button", disabled: Boolean(s3.uploading), onclick: () => upload()}, "Save to S3");
  element.replaceChildren(el("span", {class: `s3-state ${s3.state}`, title: s3.last_error ?? s3.uri}, words), button);
}

/**
 * @param {string} [onConflict]
 * @returns {Promise<void>}
 */
async function upload(onConflict) {
  schedule(300);
  try {
    await send("POST", "api/save-to-s3", onConflict ? {on_conflict: onConflict} : {});
    toast("Uploaded to S3");
  } catch (error) {
    if (!(error instanceof ApiError && error.errors.current_etag !== undefined)) toast(messageOf(error), {error: true});
    else if (await askAboutConflict(error)) return upload("overwrite");
  }
  return poll();
}

/** @param {ApiError} error */
const askAboutConflict = (error) =>
  choose("S3 has another version", el("p", {}, error.message), [
    {value: true, text: "Keep theirs as a copy, upload ours", danger: true},
    {value: null, text: "Decide later", primary: true},
  ]);
