// Draw, or bring a photo, and see what the detector makes of it while you do.

import { Problem, defaultModel } from "../api.js";
import { copyButton, h, sceneHead } from "../dom.js";
import { asking } from "../draw/asking.js";
import { heat, heatCanvas } from "../draw/heat.js";
import { drawingPad } from "../draw/pad.js";
import { decode, encode } from "../draw/strokes.js";
import { decodeGrey, inked } from "../ink.js";
import { bars, verdictLine } from "../verdict.js";
import { t } from "../words.js";

/** @type {Record<number, string>} why a picture is refused, by HTTP's status */
const REFUSALS = { 413: "draw.too_large", 415: "draw.no_picture", 422: "draw.no_picture" };

/** @type {import("../router.js").Mount} */
export async function mount(section, context) {
  const model = await defaultModel();
  const { signal } = context;
  if (signal.aborted) return;
  /** @type {File | null} */
  let photo = null;
  let hasHeat = false;

  const seen = h("div", { class: "squared" });
  const verdict = h("div", { class: "draw-verdict", "aria-live": "polite" });
  const told = h("div");
  const legend = h("p", { class: "note heat-legend", hidden: true }, h("i"), t("draw.gave_away"), h("i"), t("draw.for_hand"));
  const heatSwitch = h("input", { type: "checkbox", checked: true });
  heatSwitch.addEventListener("change", () => {
    seen.classList.toggle("plain", !heatSwitch.checked);
    explainHeat();
  });
  const { ask } = asking({ signal, said: say, refused });

  const pad = drawingPad({ strokes: readStrokes(context.asked), changed });
  const preview = h("img", { class: "pad-photo", alt: t("draw.photo_alt"), hidden: true });
  // What no browser shows, such as TIFF, the detector may still see.
  preview.addEventListener("load", () => (preview.hidden = photo === null));
  pad.element.append(preview);
  const undo = h("button", { type: "button", on: { click: () => pad.undo() } }, t("draw.undo"));
  const clear = h("button", { type: "button", on: { click: wipe } }, t("draw.clear"));
  const file = h("input", { type: "file", accept: "image/*", class: "unseen", id: "draw-file", tabindex: -1 });
  file.addEventListener("change", () => file.files?.[0] && take(file.files[0]));
  const choose = h("button", { type: "button", on: { click: () => file.click() } }, t("draw.choose"));
  file.setAttribute("aria-label", t("draw.choose"));

  const copy = copyButton(() => location.href, t("draw.link"));
  const linkless = h("p", { class: "note", hidden: true }, t("draw.no_link"));
  section.append(
    sceneHead(t("draw.title"), t("draw.lead")),
    h(
      "div",
      { class: "draw" },
      h("div", { class: "draw-pad" }, pad.element, h("div", { class: "row" }, undo, clear, choose, copy, file), linkless),
      h(
        "div",
        { class: "draw-side" },
        verdict,
        h(
          "div",
          { class: "draw-answer" },
          h("figure", {}, seen, h("figcaption", { class: "note" }, t("draw.seen"))),
          told,
        ),
        h("label", { class: "field" }, heatSwitch, t("draw.heat")),
        legend,
      ),
    ),
  );

  /** @param {boolean} finished */
  function changed(finished) {
    forget();
    undo.disabled = clear.disabled = copy.disabled = pad.strokes.length === 0;
    if (finished) context.replace({ strokes: encode(pad.strokes) });
    if (pad.strokes.length > 0) context.dismiss();
    if (pad.strokes.length === 0) return empty();
    ask(pad.file, finished);
  }

  function empty() {
    verdict.replaceChildren(h("p", { class: "verdict" }, t("draw.waiting")));
    told.replaceChildren();
    seen.replaceChildren();
    explainHeat(false);
  }

  /** @param {boolean} [has] whether there is a map; else as it was */
  function explainHeat(has = hasHeat) {
    hasHeat = has;
    legend.hidden = !(hasHeat && heatSwitch.checked);
  }

  function wipe() {
    forget();
    pad.clear();
  }

  function forget() {
    if (!photo) return;
    photo = null;
    URL.revokeObjectURL(preview.src);
    preview.hidden = linkless.hidden = true;
    file.value = "";
  }

  /** @param {File} picture */
  function take(picture) {
    context.dismiss();
    pad.clear();
    photo = picture;
    preview.src = URL.createObjectURL(picture);
    clear.disabled = linkless.hidden = false;
    ask(() => Promise.resolve(picture), true);
  }

  /** @param {import("../api.js").Score} score */
  function say(score) {
    if (pad.strokes.length === 0 && !photo) return;
    verdict.replaceChildren(verdictLine(score));
    told.replaceChildren(bars(score, model));
    const children = score.scored_image ? [inked(decodeGrey(score.scored_image))] : [];
    if (score.map) children.push(heatCanvas(heat(score.map, score.real_probability)));
    seen.replaceChildren(...children);
    explainHeat(Boolean(score.map));
  }

  /** @param {unknown} error */
  function refused(error) {
    empty();
    const known = error instanceof Problem && REFUSALS[error.status];
    const words = known ? t(known) : error instanceof Error ? error.message : String(error);
    verdict.replaceChildren(h("p", { class: "note" }, words));
  }

  addEventListener("paste", (event) => {
    const picture = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (picture) take(picture);
  }, { signal });
  section.addEventListener("dragover", (event) => event.preventDefault(), { signal });
  section.addEventListener("drop", (event) => {
    event.preventDefault();
    const picture = event.dataTransfer?.files[0];
    if (picture) take(picture);
  }, { signal });
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "z") return;
    event.preventDefault();
    pad.undo();
  }, { signal });
  context.onAsked((asked) => {
    pad.strokes.splice(0, Infinity, ...readStrokes(asked));
    pad.repaint();
  });
  signal.addEventListener("abort", forget);
  changed(true);
}

/** @param {import("../asked.js").Asked} asked */
function readStrokes(asked) {
  /** @type {import("../draw/strokes.js").Stroke[]} */
  const none = [];
  return asked.value("strokes", decode, none, "draw.strokes_refused");
}
