// The annotations of one image, those that the server has and those that it has not answered yet. It asks nobody; the session
// brings answers and says what to do. All that changes gives the differences, for views and canvas.

import {copyTexts} from "../net/json.js";
import {addStep, entryOf, newRow, operationsOf, rebase, shown} from "./rows.js";

/** @import {Annotation, Author, Differences, Entry, Key, Operation, Result, Tagged} from "../types.js" */
/** @import {Edit, Row} from "./rows.js" */

let drawn = 0;

/** For an annotation that is drawn here. */
export function newKey() {
  drawn += 1;
  return `new-${drawn}`;
}

export class Records {
  /** @type {Map<Key, Entry>} In the file's order; what is new comes last. */
  entries = new Map();
  /** @type {Map<Key, Row>} In the same order, with those that are deleted and not answered. */
  #rows = new Map();
  /** @type {Set<Key>} Under the pointer: not to be replaced by what comes from the server. */
  #held = new Set();
  /** @type {Set<Key>} Held ones for which something came. */
  #late = new Set();
  /** The revision of the newest answer about them: an older list is out of date. */
  revision = -1;
  /** All changes up to this revision are in them, those of others too. */
  complete = -1;
  /** @type {Set<number>} Revisions beyond that, of this page's own changes. */
  made = new Set();
  /** @type {string | null} Of the list, as long as the rows are as it had them. */
  etag = null;
  /** An undo of ours has changed them on the server: the list is to be read before anything is sent. */
  stale = false;

  /**
   * @param {number} imageId
   * @param {(annotation: Annotation) => string | null} fault Why a record can't be drawn.
   */
  constructor(imageId, fault) {
    this.imageId = imageId;
    this.fault = fault;
  }

  /** Whether changes are unanswered. */
  get pending() {
    return [...this.#rows.values()].some((row) => row.steps.length > 0);
  }

  /**
   * Take the server's list. `authorOf` says who made what is other there; `null`: this page itself.
   * @param {Tagged[]} list
   * @param {{revision: number, etag: string | null}} answer
   * @param {((id: number) => Author) | null} authorOf
   */
  merge(list, {revision, etag}, authorOf) {
    [this.revision, this.etag, this.stale] = [revision, etag, false];
    this.isTrueAt(revision);
    const known = this.#byPlace();
    const [before, touched] = [this.#rows, new Set(/** @type {Key[]} */ ([]))];
    this.#rows = new Map();
    const place = placer();
    for (const tagged of list) {
      const key = place(tagged.id);
      const row = known.get(key) ?? newRow(before.has(key) ? newKey() : key, tagged.id);
      this.#rows.set(row.key, row);
      if (row.etag === tagged._etag && !row.gone) continue;
      row.gone = false;
      const {_etag, ...annotation} = tagged;
      rebase(row, copyTexts(tagged, annotation), _etag, authorOf && authorOf(tagged.id));
      touched.add(row.key);
    }
    for (const [key, row] of before) {
      if (this.#rows.has(key)) continue;
      touched.add(key);
      row.gone = row.id !== null;
      if (row.gone && row.id !== null && authorOf) row.others = authorOf(row.id);
      if (row.steps.length || !row.gone || this.#held.has(key)) this.#rows.set(key, row);
    }
    const differences = this.#show(touched);
    this.#order();
    return differences;
  }

  /** All changes up to this revision are in them. @param {number} revision */
  isTrueAt(revision) {
    this.complete = revision;
    for (const made of this.made) if (made <= revision) this.made.delete(made);
  }

  /**
   * It is known only now who made what was read before.
   * @param {ReadonlySet<number>} ids
   * @param {string} user
   */
  attribute(ids, user) {
    /** @type {Key[]} */
    const touched = [];
    for (const row of this.#rows.values()) {
      if (row.id === null || !ids.has(row.id) || row.others?.user !== null) continue;
      row.others = {...row.others, user};
      touched.push(row.key);
    }
    return this.#show(touched);
  }

  /**
   * Apply edits before they are sent, as parts of `change`.
   * @param {Edit[]} edits
   * @param {object} change
   */
  apply(edits, change) {
    for (const edit of edits) {
      if (edit.op === "add") this.#rows.set(edit.key, newRow(edit.key, null));
      const row = this.#rows.get(edit.key);
      if (row) addStep(row, edit, change);
    }
    return this.#show(edits.map(({key}) => key), {own: true});
  }

  /**
   * What is left of a change, to be sent now, and which annotation each operation is about.
   * @param {object} change
   */
  operations(change) {
    /** @type {{keys: Key[], operations: Operation[]}} */
    const left = {keys: [], operations: []};
    for (const [row, step] of this.#stepsOf(change)) {
      const operations = operationsOf(row, step);
      left.operations.push(...operations);
      left.keys.push(...operations.map(() => row.key));
    }
    return left;
  }

  /**
   * Take the results of `operations`.
   * @param {object} change
   * @param {Key[]} keys
   * @param {Result[]} results
   * @param {{revision: number, made: number | null}} answer `made`: the revision of the change itself.
   */
  answered(change, keys, results, {revision, made}) {
    this.revision = Math.max(this.revision, made ?? revision);
    if (made !== null && made > this.complete) this.made.add(made);
    this.etag = null;
    const touched = new Set(keys);
    keys.forEach((key, i) => {
      const [row, {annotation, etag}] = [this.#rows.get(key), results[i]];
      if (!row) return;
      row.steps = row.steps.filter((step) => step.change !== change);
      if (annotation === null) this.#rows.delete(key);
      else {
        if (row.id === null) this.#dropTwin(annotation.id, touched);
        Object.assign(row, {base: annotation, etag, id: annotation.id, gone: false, others: null});
      }
    });
    return this.#show(touched);
  }

  /**
   * Give a change up, of some annotations or of all; with `later`, also what was changed upon it.
   * @param {object} change
   * @param {{keys?: Set<Key>, later?: boolean}} [options]
   */
  drop(change, {keys, later = false} = {}) {
    /** @type {Key[]} */
    const touched = [];
    for (const [row, step] of this.#stepsOf(change)) {
      if (keys && !keys.has(row.key)) continue;
      row.steps.splice(row.steps.indexOf(step), later ? row.steps.length : 1);
      // Never on the server, or not any more.
      if (row.base === null || (row.gone && !row.steps.length)) this.#rows.delete(row.key);
      touched.push(row.key);
    }
    return this.#show(touched, {own: true});
  }

  /**
   * Those annotations of a change that somebody else has changed or deleted since its maker saw them.
   * @param {object} change
   */
  conflicts(change) {
    const found = [];
    for (const [row, step] of this.#stepsOf(change)) {
      const {key, id, base, former, gone, lineage, others: author} = row;
      if (id === null || base === null || step.restores || (!gone && step.lineage === lineage)) continue;
      const before = (gone ? base : former) ?? base;
      found.push({key, before, theirs: gone ? null : base, mine: shown(row), author, deletes: step.edit.op === "delete"});
    }
    return found;
  }

  /**
   * What this page changes is to hold, whatever somebody else did.
   * @param {Iterable<Key>} keys
   */
  insist(keys) {
    for (const key of keys) {
      const row = this.#rows.get(key);
      if (!row) continue;
      for (const step of row.steps) Object.assign(step, {lineage: row.lineage, etag: row.etag});
      if (row.gone && row.steps.length) row.steps[0].restores = true;
    }
  }

  /** @param {Key} key */
  hold(key) {
    this.#held.add(key);
  }

  /** @param {Key} key */
  release(key) {
    this.#held.delete(key);
    const isLate = this.#late.delete(key);
    const row = this.#rows.get(key);
    if (row?.gone && !row.steps.length) this.#rows.delete(key);
    return this.#show(isLate ? [key] : []);
  }

  /** @param {object} change */
  #stepsOf(change) {
    return [...this.#rows.values()].flatMap((row) => {
      const step = row.steps.find((each) => each.change === change);
      return step ? [/** @type {const} */ ([row, step])] : [];
    });
  }

  #byPlace() {
    const place = placer();
    /** @type {Map<string, Row>} */
    const places = new Map();
    for (const row of this.#rows.values()) if (row.id !== null) places.set(place(row.id), row);
    return places;
  }

  /**
   * A list that was read before the answer to an `add` came has brought the same record by its id.
   * @param {number} id
   * @param {Set<Key>} touched
   */
  #dropTwin(id, touched) {
    for (const row of this.#rows.values()) {
      if (row.id !== id || row.steps.length) continue;
      this.#rows.delete(row.key);
      touched.add(row.key);
    }
  }

  /**
   * Bring the entries of these rows up to date. What is held waits, unless it is this page's `own` doing.
   * @param {Iterable<Key>} keys
   * @returns {Differences}
   */
  #show(keys, {own = false} = {}) {
    /** @type {Differences} */
    const differences = {added: [], changed: [], removed: []};
    for (const key of keys) {
      const [row, isShown] = [this.#rows.get(key), this.entries.has(key)];
      if (!own && isShown && this.#held.has(key)) {
        this.#late.add(key);
        continue;
      }
      const entry = row ? entryOf(row, this.fault) : null;
      if (entry) {
        this.entries.set(key, entry);
        differences[isShown ? "changed" : "added"].push(entry);
      } else if (this.entries.delete(key)) differences.removed.push(key);
    }
    if (differences.added.length) this.#order();
    return differences;
  }

  /** What came back is where it was, not at the end. */
  #order() {
    const entries = [...this.#rows.keys()].flatMap((key) => this.entries.get(key) ?? []);
    this.entries = new Map(entries.map((entry) => [entry.key, entry]));
  }
}

/** The key of each annotation of a list, by its id: the second with the same id has another one. */
function placer() {
  /** @type {Map<number, number>} */
  const seen = new Map();
  return (/** @type {number} */ id) => {
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    return count === 1 ? String(id) : `${id}#${count}`;
  };
}
