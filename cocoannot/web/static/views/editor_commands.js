// What can be done with the open image, put into the registry: toolbar, keys and the dialog of keys come from there.

import {tools} from "../tools/index.js";
import {NUMBERS} from "./category_keys.js";
import {actCommand, toolCommand} from "./rail.js";

/** @import {Predictions} from "../state/predictions.js" */
/** @import {Categories, Command, Commands, Preferences, Session, Tool, ToolAct} from "../types.js" */

/**
 * What the editor does, for those commands that are more than a call to the session.
 * @typedef {object} Actions
 * @property {() => Tool | null} tool the one in use
 * @property {(ToolAct & {tool: string})[]} acts of all tools
 * @property {(step: number) => unknown} go to another image
 * @property {() => unknown} toImages
 * @property {() => unknown} relabelSelection
 * @property {() => unknown} openPalette
 * @property {(step: number) => unknown} selectNext
 * @property {() => unknown} escape
 * @property {() => unknown} toggleSidebar
 * @property {() => unknown} fit
 * @property {(factor: number) => unknown} zoomBy
 */

/**
 * @param {Parts & {commands: Commands}} parts
 * @param {Actions} actions
 */
export function addEditorCommands(parts, actions) {
  const groups = {Images: imageCommands, Tools: toolCommands, Annotations: selectionCommands, Categories: categoryCommands, Seeing: seeingCommands};
  for (const [group, make] of Object.entries(groups)) {
    for (const command of make(parts, actions)) parts.commands.add({...command, group, scope: "editor"});
  }
}

/** @typedef {Omit<Command, "scope" | "group">} Editing */
/** @typedef {{session: Session, categories: Categories, preferences: Preferences, predictions: Predictions}} Parts */

/**
 * @param {Parts} parts
 * @param {Actions} actions
 * @returns {Editing[]}
 */
const imageCommands = ({session}, {go, toImages, escape}) => [
  {id: "image.previous", title: "Previous image", keys: ["d", "ArrowLeft"], icon: "previous", run: () => go(-1)},
  {id: "image.next", title: "Next image", keys: ["f", "ArrowRight"], icon: "next", run: () => go(1)},
  {id: "images.all", title: "All images", keys: [], icon: "images", run: toImages},
  {
    id: "escape",
    title: "Stop drawing; then select nothing; then back to all images",
    keys: ["Escape"],
    when: () => session.state !== "closed",
    run: escape,
  },
];

/**
 * @param {Parts} parts
 * @param {Actions} actions
 * @returns {Editing[]}
 */
function toolCommands({session}, {tool, acts}) {
  const busy = () => session.tool !== "select" && (tool()?.busy() ?? false);
  const press = (/** @type {string} */ key) => () => tool()?.key({key, code: key, shift: false, ctrl: false, alt: false});
  return [
    ...tools.map(({name, title, key, icon, lacks = () => null}) => ({
      id: toolCommand(name),
      title,
      keys: [key.toLowerCase()],
      icon,
      when: () => (name === "select" ? session.isThere : session.canEdit() && lacks() === null),
      lacks: () => (name === "select" ? null : (session.lacks ?? lacks())),
      run: () => session.setTool(name),
    })),
    ...acts.map((act) => ({
      id: actCommand(act),
      title: act.title,
      keys: [act.key],
      icon: act.icon,
      when: () => session.tool === act.tool && session.canEdit() && act.can(),
      run: () => act.run(),
    })),
    {id: "draft.finish", title: "Finish what is being drawn", keys: [], icon: "check", when: busy, run: press("Enter")},
    {id: "draft.undo", title: "Take the last corner or keypoint back", keys: [], icon: "undo", when: busy, run: () => tool()?.undo()},
    {id: "draft.cancel", title: "Give up what is being drawn", keys: [], icon: "close", when: busy, run: () => tool()?.cancel()},
  ];
}

/**
 * @param {Parts} parts
 * @param {Actions} actions
 * @returns {Editing[]}
 */
function selectionCommands({session}, {tool, relabelSelection, selectNext}) {
  // While something is drawn, a key or a button for what is selected would be a slip.
  const any = () => session.canEdit() && session.selection.size > 0 && !(tool()?.busy() ?? false);
  return [
    {
      id: "selection.delete",
      title: "Delete what is selected",
      keys: ["Delete", "Backspace"],
      icon: "delete",
      when: any,
      lacks: () => session.lacks,
      run: () => session.remove(session.selection),
    },
    {id: "selection.relabel", title: "Another category for what is selected", keys: [], icon: "tag", when: any, run: relabelSelection},
    {id: "selection.next", title: "Next annotation", keys: ["]"], when: () => session.entries.size > 0, run: () => selectNext(1)},
    {id: "selection.previous", title: "Previous annotation", keys: ["["], when: () => session.entries.size > 0, run: () => selectNext(-1)},
    {
      id: "selection.hide",
      title: "Hide or show what is selected",
      keys: ["Shift+h"],
      icon: "eye-off",
      when: () => session.selection.size > 0,
      run: () => [...session.selection].forEach((key) => session.visibility.toggleHidden(key)),
    },
    {
      id: "selection.lock",
      title: "Lock or unlock what is selected",
      keys: ["l"],
      icon: "lock",
      when: () => session.selection.size > 0,
      run: () => [...session.selection].forEach((key) => session.visibility.toggleLocked(key)),
    },
  ];
}

/**
 * @param {Parts} parts
 * @param {Actions} actions
 * @returns {Editing[]}
 */
function categoryCommands({session, categories}, {openPalette}) {
  const choose = (/** @type {number | null} */ id) => {
    if (id === null) return;
    session.choose(id);
    categories.use(id);
  };
  return [
    {
      id: "category.palette",
      title: "Find a category, for what is selected or for the next shape",
      keys: ["/", "Enter"],
      icon: "tag",
      when: () => session.canEdit(),
      run: openPalette,
    },
    ...NUMBERS.map((number) => ({
      id: `category.${number}`,
      title: `Category of key ${number}, for what is selected or for the next shape`,
      keys: [String(number)],
      when: () => session.canEdit() && categories.ofKey(number) !== null,
      run: () => choose(categories.ofKey(number)),
    })),
  ];
}

/**
 * @param {Parts} parts
 * @param {Actions} actions
 * @returns {Editing[]}
 */
const seeingCommands = ({session, preferences, predictions}, {fit, zoomBy, toggleSidebar}) => [
  {id: "shapes.hide", title: "Hide or show all shapes", keys: ["h"], icon: "eye", run: () => session.visibility.toggleAll()},
  {id: "shapes.only-selected", title: "Show only what is selected, or all", keys: ["o"], run: () => session.visibility.toggleOnlySelected()},
  {
    id: "shapes.labels",
    title: "Names beside shapes",
    keys: ["n"],
    // There, the key rejects.
    when: () => predictions.layer === null,
    run: () => preferences.set("showLabels", !preferences.get("showLabels")),
  },
  {
    id: "shapes.instances",
    title: "A colour for each annotation, or for each category",
    keys: ["i"],
    run: () => preferences.set("colourBy", preferences.get("colourBy") === "instance" ? "category" : "instance"),
  },
  {id: "zoom.in", title: "Larger", keys: ["+", "="], icon: "plus", when: () => session.isThere, run: () => zoomBy(1.25)},
  {id: "zoom.out", title: "Smaller", keys: ["-"], icon: "minus", when: () => session.isThere, run: () => zoomBy(1 / 1.25)},
  {id: "zoom.fit", title: "Fit the picture into the window", keys: ["0"], icon: "fit", when: () => session.isThere, run: fit},
  {id: "sidebar.toggle", title: "Show or hide the lists", keys: ["\\"], icon: "sidebar", run: toggleSidebar},
];
