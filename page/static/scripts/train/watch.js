// A run as it goes on: its losses, what its digits have become, and what the trainer says of it.

import { fetchPreview, trainingEvents } from "../api.js";
import { h } from "../dom.js";
import { inked, readGrey } from "../ink.js";
import { t } from "../words.js";
import { chart } from "./chart.js";

const LATEST_WORDS = 40;

/**
 * @param {object} what
 * @param {import("../api.js").Run} what.run
 * @param {(state: string, message: string) => void} what.ended
 * @param {AbortSignal} what.signal
 */
export function watch({ run, ended, signal }) {
  const losses = chart({
    title: t("train.losses"),
    series: [
      { name: "d_loss", label: t("train.inspector"), kind: "hand" },
      { name: "g_loss", label: t("train.forger"), kind: "machine" },
    ],
    top: 2,
    images: run.images,
  });
  const beliefs = chart({
    title: t("train.beliefs"),
    series: [
      { name: "d_real", label: t("train.of_real"), kind: "hand" },
      { name: "d_fake", label: t("train.of_fakes"), kind: "machine" },
    ],
    top: 1,
    images: run.images,
  });
  const progress = h("progress", { max: run.images, value: 0, "aria-label": t("train.progress") });
  const seen = h("p", { class: "note" }, t("train.starting"));
  const sheet = h("div", { class: "train-sheet" });
  const words = h("ol", { class: "train-words", "aria-live": "polite", reversed: true });
  const nothing = h("p", { class: "note" }, t("train.silent"));
  const events = trainingEvents();
  signal.addEventListener("abort", () => events.close());

  /**
   * @param {string} kind
   * @param {(told: any) => void} listener
   */
  const on = (kind, listener) => events.addEventListener(kind, (event) => listener(JSON.parse(event.data)));

  on("metrics", (reading) => {
    losses.add(reading);
    beliefs.add(reading);
    progress.value = reading.images;
    const count = Math.min(reading.images, run.images); // the last batch may be whole
    seen.textContent = t("train.seen", { seen: count.toLocaleString(), images: run.images.toLocaleString() });
  });
  on("rewound", ({ images }) => {
    losses.rewind(images);
    beliefs.rewind(images);
    say(images, t("train.rewound"), "rewound");
  });
  on("word", ({ images, event, text }) => say(images, text, event));
  on("sheet", async () => {
    try {
      const canvas = inked(await readGrey(await fetchPreview(signal)));
      canvas.role = "img";
      canvas.ariaLabel = t("train.sheet");
      sheet.replaceChildren(canvas);
    } catch {
      // The next one comes soon.
    }
  });
  on("ended", ({ state, message }) => {
    events.close();
    if (progress.value === 0) seen.textContent = ""; // it starts no more
    ended(state, message);
  });

  /**
   * @param {number} images
   * @param {string} text
   * @param {string} kind
   */
  function say(images, text, kind) {
    nothing.hidden = true;
    const at = h("span", { class: "note" }, t("train.at", { images: images.toLocaleString() }));
    words.prepend(h("li", { data: { kind } }, at, text));
    while (words.children.length > LATEST_WORDS) words.lastChild?.remove();
  }

  return h(
    "div",
    { class: "train-watch" },
    h("div", { class: "train-progress" }, progress, seen),
    h("div", { class: "train-curves" }, losses.element, beliefs.element),
    h("figure", { class: "train-preview" }, h("figcaption", {}, h("strong", {}, t("train.sheet"))), sheet),
    h("div", { class: "train-said" }, h("h2", {}, t("train.words")), nothing, words),
  );
}
