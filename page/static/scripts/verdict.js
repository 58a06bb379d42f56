// What the detector says of an image: in words, and as its three questions with how sure it is of each.

import { h } from "./dom.js";
import { language, t } from "./words.js";

/**
 * @typedef {import("./api.js").Score} Score
 * @param {Score} score
 * @returns {string}
 */
export const verdictInWords = (score) => t(`verdict.${score.verdict}`, { name: score.class_name ?? t("verdict.digit") });

/** @param {Score} score */
export const verdictLine = (score) =>
  h("p", { class: "verdict", data: { verdict: score.verdict } }, verdictInWords(score));

/**
 * @param {number} share 0 to 1
 * @returns {string} such as "97.3%"; never 100% of what is not sure
 */
export function percent(share) {
  const value = share > 0.5 ? Math.floor(share * 1000) / 10 : Math.ceil(share * 1000) / 10;
  return t("percent", { value: value.toLocaleString(language(), { maximumFractionDigits: 1 }) });
}

/**
 * The questions, in the order in which they are asked, and what the lines on them are. Which digit it is, is asked only of
 * what is one.
 * @param {Score} score
 * @param {import("./api.js").Model} model whose thresholds hold
 */
export function bars(score, model) {
  const list = h("dl", { class: "bars" });
  if (typeof score.one_digit_probability === "number")
    list.append(bar(t("bar.one_digit"), score.one_digit_probability, model.one_digit_threshold));
  const isDigit = score.verdict === "real_digit" || score.verdict === "generated";
  if (isDigit && typeof score.digit_probability === "number")
    list.append(bar(t("bar.which", { name: score.class_name ?? "" }), score.digit_probability));
  if (score.verdict !== "nothing_found") list.append(bar(t("bar.real"), score.real_probability, model.threshold));
  const hasLines = list.querySelector("b") !== null;
  return h("div", {}, list, hasLines && h("p", { class: "note" }, t("bar.lines")));
}

/**
 * @param {string} label
 * @param {number} share 0 to 1
 * @param {number | null} [threshold] from which the answer is yes
 */
function bar(label, share, threshold) {
  const below = typeof threshold === "number" && share < threshold;
  const filled = h("i", { style: { width: `${100 * share}%` } });
  const mark =
    typeof threshold === "number" &&
    h("b", { title: t("bar.threshold", { value: Math.round(100 * threshold) }), style: { left: `${100 * threshold}%` } });
  return h(
    "div",
    { class: below ? "below" : "" },
    h("dt", {}, label, h("span", { class: "number" }, percent(share))),
    h("dd", {}, filled, mark),
  );
}
