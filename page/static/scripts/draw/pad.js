// The pad: a square of paper for mouse, finger, pen and keyboard.

import { h } from "../dom.js";
import { blank, context2d } from "../ink.js";
import { t } from "../words.js";
import { EDGE, pen, simplified } from "./strokes.js";

const PIXELS = 560;
const SENT_PIXELS = 280;
const STEP = 6; // of the keyboard's pen

/**
 * @param {object} what
 * @param {import("./strokes.js").Stroke[]} what.strokes to begin with
 * @param {(finished: boolean) => void} what.changed finished: no stroke is under way
 */
export function drawingPad({ strokes, changed }) {
  const canvas = blank(PIXELS, PIXELS);
  canvas.className = "ink";
  const cursor = h("span", { class: "pad-cursor", hidden: true });
  const keys = h("span", { class: "by-keyboard" }, t("draw.keys"));
  const hint = h("p", { class: "pad-hint", id: "pad-hint" }, t("draw.hint"), " ", keys);
  const element = h(
    "div",
    { class: "squared pad", tabindex: 0, role: "application", "aria-label": t("draw.pad"), "aria-describedby": "pad-hint" },
    canvas,
    hint,
    cursor,
  );
  /** @type {import("./strokes.js").Stroke | null} */
  let under = null; // the stroke under way
  /** @type {import("./strokes.js").Point} */
  let at = [EDGE / 2, EDGE / 4];

  function paint() {
    const context = context2d(canvas);
    context.clearRect(0, 0, PIXELS, PIXELS);
    pen(context, strokes, "rgb(22 34 84)");
    hint.classList.toggle("unseen", strokes.length > 0);
  }

  /** @param {PointerEvent} event */
  function place(event) {
    const box = element.getBoundingClientRect();
    return /** @type {import("./strokes.js").Point} */ ([
      limited(((event.clientX - box.left) / box.width) * EDGE),
      limited(((event.clientY - box.top) / box.height) * EDGE),
    ]);
  }

  /** @param {import("./strokes.js").Point} point */
  function down(point) {
    under = [point];
    strokes.push(under);
    paint();
    changed(false);
  }

  /** @param {import("./strokes.js").Point} point */
  function draw(point) {
    const last = under?.[under.length - 1];
    if (!under || !last || Math.hypot(point[0] - last[0], point[1] - last[1]) < 1.5) return;
    under.push(point);
    paint();
    changed(false);
  }

  function up() {
    if (!under) return;
    strokes[strokes.length - 1] = simplified(under).map(([x, y]) => [Math.round(x), Math.round(y)]);
    under = null;
    paint();
    changed(true);
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    cursor.hidden = true;
    down(place(event));
  });
  element.addEventListener("pointermove", (event) => {
    if (!under || !element.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) draw(place(each));
  });
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("blur", () => {
    cursor.hidden = true;
    up();
  });

  element.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) {
      at = [limited(at[0] + STEP * (way[0] ?? 0)), limited(at[1] + STEP * (way[1] ?? 0))];
      draw(at);
    } else if (event.key === " " || event.key === "Enter") {
      if (under) up();
      else down(at);
    } else return;
    event.preventDefault();
    cursor.hidden = false;
    cursor.classList.toggle("down", under !== null);
    cursor.style.setProperty("left", `${(100 * at[0]) / EDGE}%`);
    cursor.style.setProperty("top", `${(100 * at[1]) / EDGE}%`);
  });

  paint();
  return {
    element,
    strokes,
    repaint() {
      under = null;
      paint();
      changed(true);
    },
    undo() {
      under = null;
      strokes.pop();
      paint();
      changed(true);
    },
    clear() {
      under = null;
      strokes.length = 0;
      paint();
      changed(true);
    },
    /** @returns {Promise<Blob>} what was drawn, black on white, as a PNG file */
    file() {
      const sent = blank(SENT_PIXELS, SENT_PIXELS);
      const context = context2d(sent);
      context.fillStyle = "white";
      context.fillRect(0, 0, SENT_PIXELS, SENT_PIXELS);
      pen(context, strokes, "black");
      return new Promise((resolve, reject) =>
        sent.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no image"))), "image/png"),
      );
    },
  };
}

/** @param {number} place */
const limited = (place) => Math.max(0, Math.min(EDGE, place));
