// The walk: from one digit to another through what the generator makes of the latents between them.

import { defaultModel, walkAddress } from "../api.js";
import { wholeIn } from "../asked.js";
import { calm, h, sceneHead, settled } from "../dom.js";
import { cut, fetchGrey, inked, paint, blank, SIDE } from "../ink.js";
import { classOf, endPicker, placeOf, readEnd } from "../walk/end.js";
import { t } from "../words.js";

const STEPS = 49;
const THUMBNAILS = 13; // every fourth of them
const FRAME_MS = 60;
const REST_MS = 700; // at either end

/** @type {import("../router.js").Mount} */
export async function mount(section, context) {
  const model = await defaultModel();
  if (context.signal.aborted) return;
  let from = readEnd(context.asked, "from", model, { seed: "7", index: 3, digit: null });
  let to = readEnd(context.asked, "to", model, { seed: "7", index: 48, digit: null });
  let step = readStep(context.asked);
  let turn = new AbortController();
  let timer = 0;
  /** @type {import("../ink.js").Grey | null} */
  let strip = null;

  const canvas = blank(SIDE, SIDE);
  canvas.role = "img";
  const large = h("div", { class: "squared" }, canvas);
  const range = h("input", { type: "range", min: 0, max: STEPS - 1, step: 1, "aria-label": t("walk.step") });
  const play = h("button", { type: "button", class: "main" }, "");
  const gif = h("a", { class: "button" }, t("walk.gif"));
  const thumbnails = h("div", { class: "walk-strip", "aria-hidden": "true" });
  const [left, right] = [h("div"), h("div")];
  section.append(
    sceneHead(
      t("walk.title"),
      t("walk.lead", { n: model.latent_size }),
      model.class_names.length > 0 && t("shell.between_sentences") + t("walk.class_changes"),
    ),
    h(
      "div",
      { class: "walk" },
      left,
      h("div", { class: "walk-middle" }, large, range, h("div", { class: "row" }, play, gif)),
      right,
    ),
    thumbnails,
  );

  const tell = settled(300, () => {
    const places = { from: placeOf(from), to: placeOf(to), digit_from: from.digit, digit_to: to.digit };
    context.replace({ ...places, step: timer ? null : step });
  });

  /** @param {number} next */
  function show(next) {
    step = next;
    range.valueAsNumber = step;
    const share = Math.round((100 * step) / (STEPS - 1));
    range.setAttribute("aria-valuetext", t("walk.share", { value: share }));
    if (strip) paint(canvas, cut(strip, step));
    canvas.ariaLabel = t("walk.share", { value: share });
    tell();
  }

  /** @param {boolean} on */
  function film(on) {
    clearTimeout(timer);
    timer = 0;
    play.textContent = t(on ? "walk.pause" : "walk.play");
    if (!on) return tell();
    let way = step >= STEPS - 1 ? -1 : 1;
    const next = () => {
      if (step + way < 0 || step + way >= STEPS) way = -way;
      show(step + way);
      timer = window.setTimeout(next, step === 0 || step === STEPS - 1 ? REST_MS : FRAME_MS);
    };
    timer = window.setTimeout(next, FRAME_MS);
  }

  async function build() {
    turn.abort();
    turn = new AbortController();
    const { signal } = turn;
    const query = { from: placeOf(from), to: placeOf(to), digit_from: from.digit, digit_to: to.digit };
    const filmQuery = { ...query, steps: 32, scale: 8 };
    left.replaceChildren(endPicker({ label: t("walk.from"), end: from, model, signal, choose: (end) => change(end, to) }));
    right.replaceChildren(endPicker({ label: t("walk.to"), end: to, model, signal, choose: (end) => change(from, end) }));
    gif.href = walkAddress(model, "gif", filmQuery);
    gif.download = `walk-${classOf(from, model)}-${classOf(to, model)}.gif`;
    try {
      const come = await fetchGrey(walkAddress(model, "png", { ...query, steps: STEPS }), signal);
      strip = come;
      const marks = Array.from({ length: THUMBNAILS }, (_, i) => Math.round((i * (STEPS - 1)) / (THUMBNAILS - 1)));
      thumbnails.replaceChildren(...marks.map((at) => inked(cut(come, at))));
      show(step);
    } catch (error) {
      if (!signal.aborted) thumbnails.replaceChildren(h("p", { class: "note" }, String(error)));
    }
  }

  /**
   * @param {import("../walk/end.js").End} first
   * @param {import("../walk/end.js").End} last
   */
  function change(first, last) {
    const side = left.contains(document.activeElement) ? left : right;
    const control = document.activeElement instanceof HTMLSelectElement ? "select" : "button";
    [from, to] = [first, last];
    context.dismiss();
    void build();
    /** @type {HTMLElement | null} */ (side.querySelector(control))?.focus({ preventScroll: true });
    tell();
  }

  range.addEventListener("input", () => {
    context.dismiss();
    film(false);
    show(range.valueAsNumber);
  });
  play.addEventListener("click", () => {
    context.dismiss();
    film(!timer);
  });
  context.onAsked((asked) => {
    from = readEnd(asked, "from", model, from);
    to = readEnd(asked, "to", model, to);
    step = readStep(asked);
    void build();
  });
  context.signal.addEventListener("abort", () => {
    turn.abort();
    clearTimeout(timer);
  });
  film(false);
  await build();
  if (!calm() && !context.asked.params.has("step") && !context.signal.aborted) film(true);
}

/** @param {import("../asked.js").Asked} asked */
const readStep = (asked) => asked.value("step", wholeIn(0, STEPS - 1), 0, "walk.step_refused", { last: STEPS - 1 });
