// A run at a moment, in as many panels as a chapter wants.

import { blank } from "../ink.js";
import { h } from "../dom.js";
import { language, t } from "../words.js";
import { curves, histogram } from "./charts.js";
import { paintDigits, paintPush } from "./pictures.js";
import { lastWords } from "./recording.js";

/**
 * @typedef {import("./recording.js").Recording} Recording
 * @typedef {{element: HTMLElement, show: (moment: number) => void}} Panel
 */

/**
 * @param {Recording} run
 * @param {{panels: import("./chapters.js").Panel[], columns: number, title?: string}} what columns: digits in a row
 * @returns {Panel}
 */
export function runView(run, { panels, columns, title }) {
  const makers = { digits, push, scores, curves: losses, words };
  const made = panels.map((panel) => makers[panel](run, columns));
  const element = h(
    "section",
    { class: "school-run", data: { run: run.name }, "aria-label": t(`school.run.${run.name}`) },
    title && h("h3", {}, title),
    ...made.map((panel) => panel.element),
  );
  return { element, show: (moment) => made.forEach((panel) => panel.show(moment)) };
}

/**
 * @param {Recording} run
 * @param {number} columns
 * @returns {Panel}
 */
function digits(run, columns) {
  const canvas = picture("school.digits.label");
  const layout = { columns, count: run.told.digits.count };
  return {
    element: panel("digits", canvas, t("school.digits")),
    show: (moment) => paintDigits(canvas, run, moment, layout),
  };
}

/**
 * @param {Recording} run
 * @param {number} columns
 * @returns {Panel}
 */
function push(run, columns) {
  const canvas = picture("school.push.label");
  const layout = { columns, count: run.told.digits.pushed };
  const strength = meter("school.push.length");
  const figure = panel(
    "push",
    canvas,
    t("school.push.title"),
    h("span", { class: "key more" }, t("school.push.more")),
    h("span", { class: "key less" }, t("school.push.less")),
  );
  figure.append(strength.element);
  return {
    element: figure,
    show(moment) {
      paintPush(canvas, run, moment, layout);
      strength.show(run.told.push.length[moment] ?? 0);
    },
  };
}

const WEAKEST = 0.01; // lengths of a push at the ends of its bar
const STRONGEST = 10;

/** @param {Recording} run */
function scores(run) {
  const { real_mean: real, fake_mean: fake } = run.told;
  const chart = histogram(run.told, (moment) =>
    t("school.scores.label", { real: percent(real[moment] ?? 0), fake: percent(fake[moment] ?? 0) }),
  );
  const realMean = h("output");
  const fakeMean = h("output");
  const figure = panel(
    "scores",
    chart.element,
    h("span", { class: "key real" }, t("school.scores.real"), " ", realMean),
    h("span", { class: "key fake" }, t("school.scores.fake"), " ", fakeMean),
  );
  const ends = ["school.scores.left", "school.scores.right"].map((key) => h("span", {}, t(key)));
  chart.element.after(h("div", { class: "school-ends" }, ...ends));
  return {
    element: figure,
    /** @param {number} moment */
    show(moment) {
      chart.show(moment);
      realMean.textContent = percent(real[moment] ?? 0);
      fakeMean.textContent = percent(fake[moment] ?? 0);
    },
  };
}

/** @param {Recording} run */
function losses(run) {
  const chart = curves(run.told, t("school.curves.label"));
  const d = h("output");
  const g = h("output");
  const keys = [
    h("span", { class: "key d_loss" }, t("school.curves.d"), " ", d),
    h("span", { class: "key g_loss" }, t("school.curves.g"), " ", g),
    h("span", { class: "key said" }, t("school.curves.said")),
  ];
  return {
    element: panel("curves", chart.element, ...keys),
    /** @param {number} moment */
    show(moment) {
      chart.show(moment);
      d.textContent = (run.told.d_loss[moment] ?? 0).toFixed(2);
      g.textContent = (run.told.g_loss[moment] ?? 0).toFixed(2);
    },
  };
}

/** @param {Recording} run */
function words(run) {
  const said = h("blockquote", { lang: "en" });
  const meaning = h("p", { class: "note" });
  const when = h("p", { class: "note" });
  const element = h("div", { class: "school-words", role: "status" }, when, said, meaning);
  /** @type {unknown} what is said already: nothing is said twice */
  let shown = null;
  return {
    element,
    /** @param {number} moment */
    show(moment) {
      const event = lastWords(run.told, moment);
      if (event === shown && when.textContent) return;
      shown = event;
      element.dataset.kind = event?.kind ?? "nothing";
      said.textContent = event?.text ?? "";
      said.hidden = !event;
      when.textContent = event ? t("school.words.when", { images: number(event.images) }) : t("school.words.nothing");
      meaning.textContent = event ? t(`school.said.${event.kind}`) : "";
    },
  };
}

/**
 * @param {string} name
 * @param {Element} shown
 * @param {...(string | Node)} caption
 */
const panel = (name, shown, ...caption) =>
  h("figure", { class: `school-${name}` }, h("figcaption", {}, ...caption), shown);

/** @param {string} label */
function picture(label) {
  const canvas = blank(1, 1);
  canvas.className = "ink";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", t(label));
  return canvas;
}

/** @param {string} label */
function meter(label) {
  const output = h("output");
  const bar = h("i");
  return {
    element: h("dl", { class: "bars school-meter" }, h("dt", {}, h("span", {}, t(label)), output), h("dd", {}, bar)),
    /** @param {number} length */
    show(length) {
      const share = Math.log(length / WEAKEST) / Math.log(STRONGEST / WEAKEST); // from a whisper to a shout
      bar.style.setProperty("width", `${100 * Math.min(1, Math.max(0, share))}%`);
      output.textContent = length.toPrecision(2);
    },
  };
}

/** @param {number} share */
const percent = (share) => t("percent", { value: (100 * share).toFixed(0) });

/** @param {number} count */
export const number = (count) => count.toLocaleString(language());

