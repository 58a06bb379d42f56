// One end of the walk: a digit by its address in a stream, and the ways to choose another.

import { digitAddress } from "../api.js";
import { h } from "../dom.js";
import { fetchGrey, inked } from "../ink.js";
import { link } from "../router.js";
import { t } from "../words.js";

/**
 * @typedef {object} End
 * @property {string} seed
 * @property {number} index
 * @property {number | null} digit its class; null: the one that it has in its stream
 */

/**
 * @param {string | null} place SEED/INDEX
 * @param {string | null} digit
 * @param {End} otherwise what stands for what is no place
 * @returns {End}
 */
export function readEnd(place, digit, otherwise) {
  const found = /^(\d{1,20})\/(\d{1,15})$/.exec(place ?? "");
  if (!found) return otherwise;
  return { seed: found[1] ?? "0", index: Number(found[2]), digit: /^\d+$/.test(digit ?? "") ? Number(digit) : null };
}

/** @param {End} end */
export const placeOf = (end) => `${end.seed}/${end.index}`;

/**
 * @param {End} end
 * @param {import("../api.js").Model} model
 */
export const classOf = (end, model) => end.digit ?? end.index % Math.max(1, model.class_names.length);

/**
 * @param {object} what
 * @param {string} what.label
 * @param {End} what.end
 * @param {import("../api.js").Model} what.model
 * @param {AbortSignal} what.signal
 * @param {(end: End) => void} what.choose
 */
export function endPicker({ label, end, model, signal, choose }) {
  const digit = classOf(end, model);
  const large = h("div", { class: "squared" });
  fetchGrey(digitAddress(model, placeOf(end), "png", { digit: end.digit }), signal).then(
    (grey) => large.append(inked(grey)),
    () => undefined, // left meanwhile
  );
  const select = h("select", { "aria-label": `${label}: ${t("wall.class")}` });
  model.class_names.forEach((name, value) => select.append(h("option", { value, selected: value === digit }, name)));
  select.addEventListener("change", () => choose({ ...end, digit: Number(select.value) }));
  const other = h("button", { type: "button" }, t("walk.other"));
  other.addEventListener("click", () => choose({ ...end, index: anywhere(), digit }));
  const open = link("wall", { seed: end.seed, digit: end.digit, open: end.index });
  return h(
    "div",
    { class: "walk-end" },
    h("h2", {}, label),
    h("a", { href: open, class: "walk-digit", "aria-label": t("wall.head", { index: end.index, seed: end.seed }) }, large),
    h("div", { class: "row" }, model.class_names.length > 0 && select, other),
  );
}

const anywhere = () => Math.floor(Math.random() * 100_000);
