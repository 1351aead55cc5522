// What the dataset is made of, as bars that lead to the images they count.

import {get, messageOf} from "./api.js";
import {colour} from "./colours.js";
import {el, plural, svg} from "./dom.js";
import {imagesAddress} from "./router.js";

/** @typedef {{label: string, value: number, address: string, fill?: string}} Bar */

const ROW = 22;
const LABEL = 190;
const WIDTH = 760;

export class Statistics {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  async open() {
    document.title = "Statistics - cocoannot";
    try {
      const {body} = await get("api/stats");
      this.element.replaceChildren(
        el("p", {class: "total"}, `${plural(body.counts.images, "image")}, ${plural(body.counts.annotations, "annotation")}, ${plural(body.counts.categories, "category").replace(/ys$/, "ies")}`),
        chart("Annotations per category", body.categories.map(({id, name, annotations}) => ({label: String(name ?? `category ${id}`), value: annotations, fill: colour(id), address: imagesAddress({category_id: String(id)})}))),
        chart("Annotations per image", body.annotations_per_image.map(({at_least, at_most, images}) => ({
          label: range(at_least, at_most, "annotation"), value: images,
          address: imagesAddress({min_annotations: String(at_least), ...(at_most === null ? {} : {max_annotations: String(at_most)})}),
        }))),
        chart("Sizes (square root of the area, in pixels)", body.sizes.map(({at_least, below, annotations}) => ({
          label: below === null ? `${at_least} and more` : `${at_least} to ${below}`, value: annotations,
          address: imagesAddress({min_size: String(at_least), ...(below === null ? {} : {below_size: String(below)})}),
        }))),
      );
    } catch (error) {
      this.element.replaceChildren(el("p", {role: "alert"}, messageOf(error)));
    }
  }
}

/**
 * @param {number} low
 * @param {number | null} high
 * @param {string} noun
 */
const range = (low, high, noun) => (high === null ? `${low} and more` : low === high ? plural(low, noun) : `${low} to ${high}`);

/**
 * @param {string} title
 * @param {Bar[]} bars
 */
function chart(title, bars) {
  const most = Math.max(1, ...bars.map(({value}) => value));
  const room = WIDTH - LABEL - 90;
  const rows = bars.map(({label, value, fill, address}, i) => {
    const y = i * ROW;
    const text = label.length > 26 ? `${label.slice(0, 25)}…` : label;
    return svg("a", {href: address, "aria-label": `${label}: ${value}`},
      svg("rect", {x: 0, y, width: WIDTH, height: ROW, class: "row"}),
      svg("text", {x: LABEL - 8, y: y + 15, "text-anchor": "end"}, text),
      svg("rect", {x: LABEL, y: y + 3, width: Math.max(value ? 1 : 0, (room * value) / most), height: ROW - 6, fill: fill ?? "#6aa5d8"}),
      svg("text", {x: LABEL + (room * value) / most + 6, y: y + 15, class: "value"}, value.toLocaleString("en")),
      svg("title", {}, `${label}: ${value.toLocaleString("en")}`));
  });
  return el("figure", {}, el("figcaption", {}, title), svg("svg", {viewBox: `0 0 ${WIDTH} ${Math.max(1, bars.length) * ROW}`, width: WIDTH, role: "group", "aria-label": title}, ...rows));
}
