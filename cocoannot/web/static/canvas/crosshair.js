// Two lines through the pointer, over the whole canvas. They are elements of the page, so that moving them draws nothing anew.

export class Crosshair {
  #lines = ["x", "y"].map((axis) => {
    const line = document.createElement("div");
    const {style} = line;
    Object.assign(style, {position: "absolute", top: "0", left: "0", pointerEvents: "none", background: "white", mixBlendMode: "difference", zIndex: "1"});
    Object.assign(style, axis === "x" ? {width: "1px", height: "100%"} : {width: "100%", height: "1px"});
    line.hidden = true;
    return line;
  });
  #wanted = false;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    element.append(...this.#lines);
  }

  /** @param {boolean} wanted By the tool. */
  want(wanted) {
    this.#wanted = wanted;
    if (!wanted) this.show(null);
  }

  /** @param {{clientX: number, clientY: number} | null} at `null` where the pointer is not on the canvas. */
  show(at) {
    const shown = this.#wanted && at !== null;
    for (const line of this.#lines) line.hidden = !shown;
    if (!shown) return;
    const box = this.element.getBoundingClientRect();
    this.#lines[0].style.transform = `translateX(${at.clientX - box.left}px)`;
    this.#lines[1].style.transform = `translateY(${at.clientY - box.top}px)`;
  }
}
