// What the category palette is opened for: what is selected, or the next shape. The two are never changed by one choice.

/** @import {Categories, Session} from "../types.js" */

export class CategoryChoice {
  /** @param {{session: Session, categories: Categories, pickCategory: (title: string) => Promise<number | null>}} parts */
  constructor({session, categories, pickCategory}) {
    this.session = session;
    this.categories = categories;
    this.pickCategory = pickCategory;
  }

  /** For what is selected, where the user is selecting; else for the next shape. */
  open() {
    const {session} = this;
    return session.tool === "select" && session.selection.size ? this.relabel(session.selection) : this.chooseNext();
  }

  /** @param {Iterable<string>} keys */
  async relabel(keys) {
    // What is selected may be another by the time of the answer.
    const chosen = [...keys];
    const id = await this.pickCategory("Category of what is selected");
    if (id === null) return;
    this.categories.use(id);
    this.session.relabel(chosen, id);
  }

  async chooseNext() {
    const id = await this.pickCategory("Category of the next shape");
    if (id === null) return;
    this.categories.use(id);
    this.session.setCategory(id);
  }
}
