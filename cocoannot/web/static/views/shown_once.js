// A secret that is shown once: to be copied, and then gone.

import {el} from "./dom.js";
import {icon} from "./icons.js";

/**
 * @param {string} what
 * @param {string} secret
 */
export function shownOnce(what, secret) {
  const input = el("input", {type: "text", readonly: true, value: secret, "aria-label": what, class: "secret", onfocus: () => input.select()});
  const copied = el("span", {role: "status", class: "dim"});
  const copy = async () => {
    input.select();
    try {
      await navigator.clipboard.writeText(secret);
      copied.textContent = "Copied.";
    } catch {
      // On plain http there is no clipboard for pages: it is selected, to be copied by keys.
      copied.textContent = "Copy it with Ctrl+C.";
    }
  };
  return el(
    "div",
    {class: "shown-once"},
    el("p", {}, `${what}. It is shown only now: copy it.`),
    el("div", {class: "with-button"}, input, el("button", {type: "button", onclick: copy}, icon("copy"), "Copy")),
    copied,
  );
}
