// What the dataset is made of, as bars that lead to the images they count.

import {get, isForNow, messageOf} from "../net/api.js";
import {colour} from "../state/colours.js";
import {imagesAddress} from "../state/router.js";
import {STATUSES, WORDS} from "../state/statuses.js";
import {el, setText} from "./dom.js";
import {icon} from "./icons.js";
import {emptyState} from "./states.js";
import {folded, nameOr, plural} from "./words.js";

/** @import {Statistics as Numbers} from "../types.js" */
/** @typedef {{label: string, value: number, address: string, fill?: string}} Bar */

const FIRST = 40;
const AGAIN = 3000;

export class Statistics {
  /** @type {number | undefined} */
  #timer;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  async open() {
    clearTimeout(this.#timer);
    document.title = "Statistics - cocoannot";
    if (!this.element.childElementCount) this.element.replaceChildren(el("p", {class: "dim", role: "status"}, "Counting..."));
    try {
      const {body} = await get("api/stats");
      this.#show(body);
    } catch (error) {
      const again = isForNow(error);
      this.element.replaceChildren(
        emptyState("away", "The statistics can't be shown", `${messageOf(error)}.${again ? " Trying again." : ""}`, [
          {text: "Try again", run: () => this.open()},
        ]),
      );
      if (again) this.#timer = setTimeout(() => this.element.hidden || this.open(), AGAIN);
    }
  }

  /** @param {Numbers} numbers */
  #show({counts, categories, annotations_per_image: perImage, sizes, statuses}) {
    const byStatus = new Map(statuses.map(({status, images}) => [status, images]));
    const total = (/** @type {string} */ noun, /** @type {number} */ number) =>
      el("div", {}, el("dt", {}, plural(number, noun).replace(/^[\d,]+ /, "")), el("dd", {}, number.toLocaleString("en")));
    const byCount = [...categories].sort((one, other) => other.annotations - one.annotations);
    this.element.replaceChildren(
      el("h1", {class: "for-readers"}, "Statistics"),
      el("dl", {class: "totals"}, total("image", counts.images), total("annotation", counts.annotations), total("category", counts.categories)),
      chart(
        "Images by their state",
        STATUSES.map((status) => ({label: WORDS[status].title, value: byStatus.get(status) ?? 0, address: imagesAddress({status})})),
        "images",
      ),
      chart(
        "Annotations of each category",
        byCount.map(({id, name, annotations}) => ({
          label: nameOr(name, `category ${id}`),
          value: annotations,
          fill: colour(id),
          address: imagesAddress({category_id: String(id)}),
        })),
      ),
      chart(
        "Annotations on each image",
        perImage.map(({at_least, at_most, images}) => ({
          label: range(at_least, at_most, "annotation"),
          value: images,
          address: imagesAddress({min_annotations: String(at_least), ...(at_most === null ? {} : {max_annotations: String(at_most)})}),
        })),
        "images",
      ),
      chart(
        "Sizes of shapes (square root of the area, in pixels)",
        sizes.map(({at_least, below, annotations}) => ({
          label: below === null ? `${at_least} and more` : `${at_least} to ${below}`,
          value: annotations,
          address: imagesAddress({min_size: String(at_least), ...(below === null ? {} : {below_size: String(below)})}),
        })),
      ),
    );
  }
}

/**
 * @param {number} low
 * @param {number | null} high
 * @param {string} noun
 */
const range = (low, high, noun) => (high === null ? `${low} and more` : low === high ? plural(low, noun) : `${low} to ${high}`);

/**
 * Bars in the order given; of many, the first ones, and a field to find others.
 * @param {string} title
 * @param {Bar[]} bars
 * @param {string} [counted]
 */
function chart(title, bars, counted = "annotations") {
  const most = Math.max(1, ...bars.map(({value}) => value));
  const list = el("ul", {class: "bars"});
  const more = el("button", {type: "button", class: "more-bars"});
  const input = el("input", {type: "search", placeholder: "Find", "aria-label": `Find in: ${title}`});
  let all = false;
  const show = () => {
    const wanted = folded(input.value.trim());
    const found = bars.filter(({label}) => folded(label).includes(wanted));
    list.replaceChildren(...(all ? found : found.slice(0, FIRST)).map((bar) => row(bar, most, counted)));
    more.hidden = all || found.length <= FIRST;
    setText(more, `Show all ${found.length.toLocaleString("en")}`);
  };
  input.addEventListener("input", show);
  more.addEventListener("click", () => {
    all = true;
    show();
    /** @type {HTMLElement | undefined} */ (list.querySelectorAll("a")[FIRST])?.focus();
  });
  show();
  const find = bars.length > FIRST ? el("div", {class: "filter"}, icon("search"), input) : null;
  return el(
    "section",
    {},
    el("div", {class: "chart-head"}, el("h2", {}, title), find),
    bars.length ? list : el("p", {class: "dim"}, "There are none."),
    more,
  );
}

/**
 * @param {Bar} bar
 * @param {number} most
 * @param {string} counted
 */
function row({label, value, address, fill}, most, counted) {
  const measure = el("span");
  measure.style.width = `${(100 * value) / most}%`;
  measure.hidden = !value;
  if (fill) measure.style.backgroundColor = fill;
  return el(
    "li",
    {},
    el(
      "a",
      {href: address, title: `${label}: ${value.toLocaleString("en")} ${counted}`},
      el("span", {class: "text"}, label, el("span", {class: "for-readers"}, ": ")),
      el("span", {class: "measure", "aria-hidden": "true"}, measure),
      el("span", {class: "value"}, value.toLocaleString("en")),
    ),
  );
}
