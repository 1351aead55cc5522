// What can be done with many annotations at once, put into the registry: copying them, and selecting all of one category.

/** @import {Commands, Session, Tool} from "../types.js" */
/** @import {Copies} from "../tools/copies.js" */

/**
 * @param {{commands: Commands, session: Session}} parts
 * @param {{copies: Copies, tool: () => Tool | null}} actions
 */
export function addManyCommands({commands, session}, {copies, tool}) {
  // While something is drawn, a key for other annotations would be a slip.
  const free = () => session.canEdit() && !(tool()?.busy() ?? false);
  const any = () => session.selection.size > 0;
  const lacks = () => session.lacks;
  for (const command of [
    {
      id: "selection.all",
      title: "Select all annotations",
      keys: ["Ctrl+a"],
      icon: "all",
      when: () => session.entries.size > 0,
      run: () => session.select(notHidden(session).map(({key}) => key)),
    },
    {
      id: "selection.same-category",
      title: "Select all of this category",
      keys: ["Ctrl+Shift+a"],
      icon: "tag",
      when: () => session.entries.size > 0,
      run: () => session.select(ofSameCategory(session)),
    },
    {
      id: "selection.copy",
      title: "Copy what is selected",
      keys: ["Ctrl+c"],
      icon: "copy",
      // Text that somebody has marked on the page is the browser's to copy.
      when: () => any() && (getSelection()?.isCollapsed ?? true),
      run: () => copies.copy(),
    },
    {
      id: "selection.paste",
      title: "Paste: at the same place of another image, at the pointer on the same one",
      keys: ["Ctrl+v"],
      icon: "paste",
      lacks,
      when: () => free() && !copies.isEmpty,
      run: () => copies.paste(),
    },
    {id: "selection.duplicate", title: "Duplicate what is selected", keys: ["Ctrl+d"], icon: "duplicate", lacks, when: () => free() && any(), run: () => copies.duplicate()},
    {
      id: "selection.crowd",
      title: "What is selected is a crowd (iscrowd), or is not",
      keys: ["Shift+c"],
      icon: "crowd",
      lacks,
      when: () => free() && any(),
      run: () => toggleCrowd(session),
    },
    {id: "image.repeat", title: "Repeat the shapes of the image before", keys: ["Alt+r"], icon: "repeat", lacks, when: free, run: () => copies.repeat()},
  ])
    commands.add({...command, group: "Annotations", scope: "editor"});
}

/**
 * All that have a category of those that are selected; with nothing selected, the category of the next shape.
 * @param {Session} session
 */
function ofSameCategory(session) {
  const selected = [...session.selection].map((key) => session.entries.get(key)?.annotation.category_id);
  const wanted = new Set(selected.length ? selected : [session.category ?? undefined]);
  return notHidden(session).filter(({annotation}) => wanted.has(annotation.category_id)).map(({key}) => key);
}

/**
 * What somebody has hidden on purpose is not to be deleted with all that is seen.
 * @param {Session} session
 */
function notHidden({entries, visibility: {hiddenKeys, hiddenCategories}}) {
  return [...entries.values()].filter(({key, annotation: {category_id: id}}) => !hiddenKeys.has(key) && (id === undefined || !hiddenCategories.has(id)));
}

/**
 * Where some of them are crowds and some are not, all become crowds.
 * @param {Session} session
 */
function toggleCrowd(session) {
  const entries = [...session.selection].flatMap((key) => session.entries.get(key) ?? []).filter((entry) => !session.isLocked(entry));
  const iscrowd = entries.every(({annotation}) => annotation.iscrowd === 1) ? 0 : 1;
  session.updateMany(entries.filter(({annotation}) => annotation.iscrowd !== iscrowd).map(({key}) => [key, {iscrowd}]));
}
