// People as round marks with their initials, in their colour; who it is stands in the tooltip.

import {colourOfPerson, initialsOf, nameOfPerson} from "../state/people.js";
import {el} from "./dom.js";

/** @import {Person} from "../types.js" */

/** So many are shown; of others, how many there are. */
export const MOST_FACES = 6;

/** @param {string | null} user */
export function face(user, title = nameOfPerson(user)) {
  // By the style sheet: who speaks to the computer says names, and not initials.
  const mark = el("span", {class: "face", title, "aria-hidden": "true", "data-initials": initialsOf(user)});
  mark.style.backgroundColor = colourOfPerson(user);
  return mark;
}

/**
 * @param {Person[]} people
 * @param {number} [most]
 */
export function faces(people, most = MOST_FACES) {
  const shown = people.slice(0, most).map(({user, editing}) => face(user, `${nameOfPerson(user)}${editing ? ", at work" : ""}`));
  const more = people.length - shown.length;
  return more > 0 ? [...shown, el("span", {class: "face more", "aria-hidden": "true", "data-initials": `+${more}`})] : shown;
}
