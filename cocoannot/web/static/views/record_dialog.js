// The text of a record that can't be drawn, as it is in the file.

import {openDialog} from "./dialogs.js";
import {el} from "./dom.js";

/** @import {Entry} from "../types.js" */

/**
 * @param {Entry} entry
 * @param {string} name
 */
export function showRecord(entry, name) {
  return openDialog(`${name}${entry.id === null ? "" : `, id ${entry.id}`}`, {
    closeButton: true,
    className: "record",
    makeContent: () => [
      el("p", {}, entry.broken === null ? "This is the record's text." : `It can't be drawn: ${entry.broken}. This is the record's text.`),
      el("pre", {class: "record-text", tabindex: "0", role: "group", "aria-label": "The record's text"}, laidOut(entry.text)),
    ],
  });
}

/**
 * Broken into lines between fields, with every number as it was written.
 * @param {string} text
 */
const laidOut = (text) => (text.includes("\n") ? text : text.replace(/,\s*(?="[^"]*"\s*:)/g, ",\n  "));
