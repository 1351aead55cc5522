// The line that belongs to the layer of predictions: which one is shown, from which score on, and what is done with them. It is there
// where there are layers.

import {scoreText} from "../canvas/dashed.js";
import {colour} from "../state/colours.js";
import {el, oncePerFrame, setText, swatch} from "./dom.js";
import {toast} from "./toasts.js";
import {plural} from "./words.js";

/** @import {Categories, Commands, Session, Tool} from "../types.js" */
/** @import {Predictions} from "../state/predictions.js" */
/** @import {CommandButtons} from "./command_button.js" */

/**
 * @typedef {object} Parts
 * @property {Predictions} predictions
 * @property {Session} session
 * @property {Commands} commands
 * @property {Categories} categories
 */

/**
 * @param {Parts} parts
 * @param {{tool: () => Tool | null}} actions
 */
export function addPredictionCommands({predictions, session, commands}, {tool}) {
  const isFree = () => session.canEdit() && !(tool()?.busy() ?? false);
  const any = () => isFree() && predictions.current !== null;
  const lacks = () => session.lacks;
  const current = () => (predictions.current ? [predictions.current] : []);
  const commandsOfLayer = [
    {id: "predictions.accept", title: "Accept the prediction under the pointer", keys: ["y"], icon: "check", when: any, lacks, run: () => predictions.accept(current())},
    {id: "predictions.reject", title: "Reject the prediction under the pointer", keys: ["n"], icon: "close", when: any, lacks, run: () => predictions.reject(current())},
    {
      id: "predictions.accept-all",
      title: "Accept all predictions that are shown, but for those that are covered",
      keys: ["Shift+y"],
      icon: "check",
      when: () => isFree() && predictions.uncovered.length > 0,
      lacks,
      run: () => predictions.accept(predictions.uncovered),
    },
    {id: "predictions.next", title: "Next prediction", keys: ["."], when: () => predictions.open.length > 0, run: () => predictions.step(1)},
    {id: "predictions.previous", title: "Previous prediction", keys: [","], when: () => predictions.open.length > 0, run: () => predictions.step(-1)},
  ];
  for (const command of commandsOfLayer) commands.add({...command, group: "Predictions", scope: "editor"});
}

export class PredictionsPanel {
  /**
   * @param {Parts} parts
   * @param {CommandButtons} buttons
   */
  constructor(parts, buttons) {
    const {predictions, session, categories} = parts;
    this.parts = parts;
    this.buttons = buttons;
    this.choice = el("select", {"aria-label": "Layer of predictions", onchange: () => predictions.choose(this.choice.value || null)});
    this.slider = el("input", {
      type: "range",
      min: "0",
      max: "1",
      step: "0.01",
      "aria-label": "Show predictions from this score on",
      oninput: () => (predictions.minScore = Number(this.slider.value)),
    });
    this.score = el("output", {class: "score"});
    this.count = el("span", {class: "dim count"});
    this.all = buttons.make("predictions.accept-all", {text: "Accept all", iconName: "check", className: "all"});
    this.name = el("span", {class: "text"});
    this.swatch = swatch("transparent");
    this.current = el(
      "div",
      {class: "current-prediction"},
      el("span", {class: "meant", role: "status"}, this.swatch, this.name),
      buttons.make("predictions.accept", {text: "Accept", iconName: "check"}),
      buttons.make("predictions.reject", {text: "Reject", iconName: "close"}),
    );
    this.filter = el("label", {class: "from-score", title: "Predictions from this score on are shown"}, this.slider, this.score);
    this.element = el("section", {class: "predictions", "aria-label": "Predictions", hidden: true}, this.choice, this.filter, this.count, this.all, this.current);
    const show = oncePerFrame(() => this.#show());
    for (const event of /** @type {const} */ (["change", "current"])) predictions.on(event, show);
    predictions.on("layers", () => this.#showLayers());
    predictions.on("refused", (message) => toast(message, {error: true}));
    predictions.on("rejected", (some) =>
      toast(`${plural(some.length, "prediction")} rejected`, {action: {text: "Take back", run: () => predictions.reject(some, false)}}),
    );
    session.on("state", show);
    categories.on("change", show);
    this.#showLayers();
  }

  #showLayers() {
    const {predictions} = this.parts;
    const option = (/** @type {string} */ value, /** @type {string} */ text) => el("option", {value}, text);
    this.choice.replaceChildren(...predictions.layers.map(({name}) => option(name, name)), option("", "No predictions"));
    this.choice.value = predictions.layer ?? "";
    const highest = Math.max(1, ...predictions.layers.map(({max_score: score}) => score ?? 0));
    this.slider.max = String(highest);
    this.slider.step = String(highest / 100);
    this.#show();
  }

  #show() {
    const {predictions, session, categories} = this.parts;
    this.element.hidden = !predictions.layers.length || !session.isThere;
    if (this.element.hidden) return;
    const isShown = predictions.layer !== null;
    for (const part of [this.filter, this.count, this.all]) part.hidden = !isShown;
    this.slider.value = String(predictions.minScore);
    setText(this.score, `≥ ${scoreText(predictions.minScore)}`);
    const {open, uncovered, current} = predictions;
    const covered = open.length - uncovered.length;
    setText(this.count, open.length ? `${open.length} open${covered ? `, ${covered} covered` : ""}` : "none open");
    setText(/** @type {HTMLElement} */ (this.all.querySelector(".text")), uncovered.length ? `Accept ${uncovered.length}` : "Accept all");
    this.current.hidden = !isShown;
    this.swatch.hidden = current === null;
    this.name.classList.toggle("dim", current === null);
    if (current) {
      const {category_id: id = null} = current.annotation;
      this.swatch.style.backgroundColor = colour(id);
      setText(this.name, `${categories.nameOf(id)} ${scoreText(current.score)}${current.covered ? ", covered" : ""}`);
    } else setText(this.name, open.length ? "Point at a dashed shape" : "");
    this.buttons.refresh();
  }
}
