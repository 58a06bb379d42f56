// One end of the walk: a digit by its address in a stream, and the ways to choose another.

import { digitAddress } from "../api.js";
import { LAST_INDEX, SEED_LIMIT, oneOf, seedIn, wholeIn } from "../asked.js";
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
 * @param {import("../asked.js").Asked} asked
 * @param {"from" | "to"} which
 * @param {import("../api.js").Model} model
 * @param {End} otherwise what stands for what is not named, or is no place
 * @returns {End}
 */
export function readEnd(asked, which, model, otherwise) {
  const limits = { ...SEED_LIMIT, last_index: LAST_INDEX, shown: placeOf(otherwise) };
  /** @type {number | null} */
  const none = null;
  const digit = asked.value(`digit_${which}`, oneOf([...model.class_names.keys()]), none, "walk.digit_refused");
  const place = asked.value(which, placeIn, null, "walk.place_refused", limits);
  return place ? { ...place, digit } : otherwise;
}

/**
 * @param {string} text
 * @returns {{seed: string, index: number} | undefined}
 */
function placeIn(text) {
  const [seed, index, ...more] = text.split("/");
  const [first, last] = [seedIn(seed ?? ""), wholeIn(0, LAST_INDEX)(index ?? "")];
  return first === undefined || last === undefined || more.length > 0 ? undefined : { seed: first, index: last };
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
