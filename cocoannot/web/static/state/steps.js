// Going through the images step by step: one that is wanted while another is on its way comes after it, and is not lost.

/** How many may wait: a key that is held does not go on for long after it was let go. */
const MOST = 3;

export class Steps {
  #waiting = 0;
  #isGoing = false;
  #goOne;

  /** @param {(step: number) => Promise<boolean>} goOne Goes 1 or -1 further; gives whether it did. Where it did not, the ones that wait are given up. */
  constructor(goOne) {
    this.#goOne = goOne;
  }

  /** @param {number} step 1 or -1 */
  async go(step) {
    this.#waiting = Math.max(-MOST, Math.min(MOST, this.#waiting + step));
    if (this.#isGoing) return;
    this.#isGoing = true;
    while (this.#waiting) {
      const one = Math.sign(this.#waiting);
      this.#waiting -= one;
      if (!(await this.#goOne(one))) this.#waiting = 0;
    }
    this.#isGoing = false;
  }
}
