// How people are shown: what they are called, their initials, their colour. The same for one person on every page.

import {hueOf, numberOf} from "./colours.js";

/** @param {string | null} user */
export const nameOfPerson = (user) => user ?? "Somebody";

/** One or two letters. @param {string | null} user */
export function initialsOf(user) {
  if (user === null) return "?";
  const [first = "", second = ""] = user.split("@")[0].split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  return (second ? first.slice(0, 1) + second.slice(0, 1) : first.slice(0, 2)).toUpperCase() || "?";
}

/**
 * Dark enough for white letters upon it, or `bright` enough for a line on a picture.
 * @param {string | null} user
 * @param {{bright?: boolean}} [options]
 */
export function colourOfPerson(user, {bright = false} = {}) {
  if (user === null) return bright ? "hsl(0 0% 75%)" : "hsl(0 0% 34%)";
  return `hsl(${hueOf(numberOf(user))} ${bright ? "90% 55%" : "60% 28%"})`;
}

/**
 * "anna is on this image too", "anna and ben are on this image too".
 * @param {(string | null)[]} users
 */
export function hereWords(users) {
  if (!users.length) return "";
  const names = users.slice(0, 2).map(nameOfPerson);
  const more = users.length - names.length;
  const all = more > 0 ? [...names, `${more} more`] : names;
  const who = all.length === 1 ? all[0] : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
  return `${who} ${users.length === 1 ? "is" : "are"} on this image too`;
}
