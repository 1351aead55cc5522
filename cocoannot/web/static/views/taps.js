// A key that does one thing while it is held, and another where it is only tapped: Space moves the picture with the pointer, and
// finishes an image.
//
//   keydown --keyup soon, and nothing in between--> run
//      \--the pointer is pressed, the wheel turned, another key pressed, or it is held for long--> nothing

/** In milliseconds. */
const LONGEST = 350;

export class Taps {
  /** @type {{code: string, at: number, run: () => unknown} | null} */
  #pressed = null;

  constructor() {
    const forget = () => (this.#pressed = null);
    for (const name of ["pointerdown", "wheel", "blur"]) addEventListener(name, forget, {capture: true, passive: true});
    addEventListener("keydown", (event) => event.code !== this.#pressed?.code && forget(), {capture: true});
    addEventListener("keyup", (event) => this.#release(event));
  }

  /** Whether a key waits for being let go. @param {KeyboardEvent} event */
  static isFor(event) {
    return event.code === "Space";
  }

  /**
   * A key went down that does `run()` where it turns out to be a tap.
   * @param {KeyboardEvent} event
   * @param {() => unknown} run
   */
  press({code, timeStamp, repeat}, run) {
    if (!repeat) this.#pressed = {code, at: timeStamp, run};
  }

  /** @param {KeyboardEvent} event */
  #release({code, timeStamp}) {
    const pressed = this.#pressed;
    if (pressed?.code !== code) return;
    this.#pressed = null;
    if (timeStamp - pressed.at <= LONGEST) pressed.run();
  }
}
