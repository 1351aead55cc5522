// One image of the gallery: its thumbnail, as sharp as the screen shows it, with its shapes, its name and how many there are.

import {nameOfPerson} from "../state/people.js";
import {imageAddress} from "../state/router.js";
import {statusOf, WORDS} from "../state/statuses.js";
import {el, setAttribute} from "./dom.js";
import {faces} from "./faces.js";
import {icon} from "./icons.js";
import {drawShapes} from "./small_shapes.js";
import {nameOr} from "./words.js";

/** @import {ListedImage, Person} from "../types.js" */

export const CAPTION = 28;
/** The server keeps thumbnails of each size that was asked for: a few sizes are enough. */
const SIZES = [128, 256, 384, 512, 768, 1024];

/**
 * @param {ListedImage} image
 * @param {{query: URLSearchParams, width: number, height: number, isLast: boolean}} options of the tile in CSS pixels; `isLast` is
 *   the one that the user comes from
 */
export function makeTile(image, {query, width, height, isLast}) {
  const name = nameOr(image.file_name, `image ${image.id}`);
  const {_annotation_count: count} = image;
  const frame = el("span", {class: "frame"}, ...pictureOf(image, width, height - CAPTION), statusMark(image));
  const tile = el(
    "a",
    {class: isLast ? "tile last" : "tile", href: imageAddress(image.id, query), title: name, draggable: "false", "data-id": String(image.id)},
    frame,
    el(
      "span",
      {class: "tile-caption"},
      el("span", {class: "text"}, name),
      el("span", {class: "faces"}),
      el(
        "span",
        {class: count ? "badge" : "badge none"},
        count.toLocaleString("en"),
        el("span", {class: "for-readers"}, count === 1 ? " annotation" : " annotations"),
      ),
    ),
  );
  setSize(tile, width, height);
  return tile;
}

/** How far people are with it; an open image has no mark. @param {ListedImage} image */
function statusMark(image) {
  const status = statusOf(image);
  if (status === "open") return null;
  const {title, icon: name} = WORDS[status];
  const why = image.annotation_comment ? `${title}: ${image.annotation_comment}` : title;
  return el("span", {class: "status-mark", "data-status": status, title: why}, icon(name), el("span", {class: "for-readers"}, ` ${title} `));
}

/**
 * Who is on a tile's image.
 * @param {HTMLElement} tile
 * @param {Person[]} people
 */
export function showPeople(tile, people) {
  const element = tile.querySelector(".faces");
  const words = people.map(({user}) => nameOfPerson(user)).join(", ");
  if (!element || element.getAttribute("title") === (words || null)) return;
  setAttribute(element, "title", words || null);
  element.replaceChildren(...faces(people, 3), el("span", {class: "for-readers"}, words && ` ${words} on it`));
}

/**
 * A tile whose image is on its way.
 * @param {number} width
 * @param {number} height
 */
export function makeSkeleton(width, height) {
  const tile = el("div", {class: "tile-place skeleton", "aria-hidden": "true"}, el("span", {class: "frame"}), el("span", {class: "tile-caption"}));
  setSize(tile, width, height);
  return tile;
}

/**
 * @param {HTMLElement} tile
 * @param {number} width
 * @param {number} height
 */
function setSize(tile, width, height) {
  tile.style.width = `${width}px`;
  tile.style.height = `${height}px`;
}

/**
 * @param {ListedImage} image
 * @param {number} width
 * @param {number} height
 */
function pictureOf(image, width, height) {
  const known = image.width > 0 && image.height > 0;
  const scale = known ? Math.min(width / image.width, height / image.height) : 1;
  const shown = known ? [Math.max(1, image.width * scale), Math.max(1, image.height * scale)] : [width, height];
  const density = window.devicePixelRatio || 1;
  const picture = el("img", {
    alt: "",
    loading: "lazy",
    decoding: "async",
    draggable: "false",
    onerror: () => picture.replaceWith(el("span", {class: "missing"}, icon("picture"), "No picture")),
  });
  const wanted = Math.max(...shown) * density;
  picture.src = `api/images/${image.id}/thumbnail?size=${SIZES.find((size) => size >= wanted) ?? SIZES.at(-1)}`;
  picture.style.maxWidth = `${shown[0]}px`;
  picture.style.maxHeight = `${shown[1]}px`;
  if (known) [picture.style.width, picture.style.height, picture.style.objectFit] = [`${shown[0]}px`, `${shown[1]}px`, "contain"];
  return known && image._annotations?.length ? [picture, overlay(image, shown, scale * density)] : [picture];
}

/**
 * @param {ListedImage} image
 * @param {number[]} shown
 * @param {number} scale the tile's own pixels for one of the picture's
 */
function overlay(image, shown, scale) {
  const canvas = el("canvas", {"aria-hidden": "true"});
  [canvas.width, canvas.height] = [Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale))];
  [canvas.style.width, canvas.style.height] = shown.map((length) => `${length}px`);
  const context = canvas.getContext("2d");
  if (context) {
    context.scale(scale, scale);
    drawShapes(context, image._annotations ?? [], scale / (window.devicePixelRatio || 1));
  }
  return canvas;
}
