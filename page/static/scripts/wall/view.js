// One digit, large: its address, its neighbours, and what the detector says of it.

import { digitAddress, score } from "../api.js";
import { copyButton, h } from "../dom.js";
import { asFile, inked } from "../ink.js";
import { link } from "../router.js";
import { bars, verdictLine } from "../verdict.js";
import { t } from "../words.js";
import { className } from "./sheets.js";

const NEIGHBOURS = 4; // on either side

/**
 * @param {object} what
 * @param {import("./sheets.js").Sheets} what.sheets
 * @param {(index: number) => string} what.address of a digit's view
 * @param {(index: number) => void} what.closed called with the digit that was shown last
 */
export function digitView({ sheets, address, closed }) {
  const { stream } = sheets;
  const head = h("h2", { tabindex: -1 });
  const body = h("div", { class: "view-body" });
  const close = h("button", { type: "button", class: "quiet", "aria-label": t("wall.close") }, "×");
  const dialog = h("dialog", { class: "view", "aria-labelledby": "view-head" }, h("header", {}, head, close), body);
  head.id = "view-head";
  let shown = -1;
  /** @type {AbortController | null} */
  let turn = null;

  /** @param {number} index */
  async function show(index) {
    turn?.abort();
    turn = new AbortController();
    const { signal } = turn;
    shown = index;
    head.textContent = t("wall.head", { index, seed: stream.seed });
    if (!dialog.open) dialog.showModal();
    const said = h("div", { class: "view-said", "aria-live": "polite" }, h("p", { class: "note" }, t("wall.asking")));
    const large = h("div", { class: "squared" });
    const small = h("nav", { class: "view-neighbours", "aria-label": t("wall.neighbours") });
    body.replaceChildren(
      h("div", { class: "view-digit" }, large, small),
      h("div", { class: "view-side" }, said, addressField(index), walkLink(index)),
    );
    neighbours(small, index, signal);
    try {
      const grey = await sheets.digit(index);
      if (signal.aborted) return;
      const canvas = inked(grey);
      canvas.role = "img";
      canvas.ariaLabel = t("digit", { name: className(stream, index) });
      large.append(canvas);
      const told = await score(await asFile(grey), { signal });
      if (!signal.aborted) said.replaceChildren(verdictLine(told), bars(told, stream.model));
    } catch (error) {
      if (!signal.aborted) said.replaceChildren(h("p", { class: "note" }, String(error)));
    }
  }

  /** @param {number} index */
  function addressField(index) {
    const path = digitAddress(stream.model, `${stream.seed}/${index}`, "png", { digit: stream.digit });
    const whole = new URL(path, document.baseURI).href;
    const field = h("input", { type: "text", readonly: true, value: whole, id: "view-address" });
    field.addEventListener("focus", () => field.select());
    return h(
      "div",
      { class: "view-address" },
      h("label", { for: "view-address" }, t("wall.address")),
      h("div", { class: "row" }, field, copyButton(() => whole)),
    );
  }

  /** @param {number} index */
  const walkLink = (index) =>
    h("a", { class: "button", href: link("walk", { from: `${stream.seed}/${index}`, digit_from: stream.digit }) }, t("wall.walk"));

  /**
   * @param {HTMLElement} place
   * @param {number} index
   * @param {AbortSignal} signal
   */
  function neighbours(place, index, signal) {
    const first = Math.max(0, index - NEIGHBOURS);
    for (let near = first; near <= first + 2 * NEIGHBOURS; near++) {
      const label = t("wall.one", { name: className(stream, near), index: near });
      const to = h("a", { href: address(near), "aria-label": label, "aria-current": near === index && "true" });
      to.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        location.replace(address(near));
      });
      place.append(to);
      sheets.digit(near).then(
        (grey) => signal.aborted || to.append(inked(grey)),
        () => undefined, // left meanwhile
      );
    }
  }

  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    turn?.abort();
    closed(shown);
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target instanceof HTMLInputElement || shown + step < 0) return;
    event.preventDefault();
    location.replace(address(shown + step));
  });
  return { dialog, show };
}
