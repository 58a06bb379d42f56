// Two charts of a run: what the inspector gives to real digits and to fakes at a moment, and both losses over the run.

import { svg } from "../dom.js";

const WIDTH = 360;
const HALF = 62; // height of a side of the histogram
const CURVES = 120;
const HIGHEST = 5; // of a loss: what is beyond touches the edge

/**
 * @typedef {import("./recording.js").Told} Told
 * @typedef {{element: SVGSVGElement, show: (moment: number) => void}} Chart
 */

/**
 * Real digits above the line, fakes below it; left is "fake", right is "real".
 * @param {Told} told
 * @param {(moment: number) => string} label of a moment
 * @returns {Chart}
 */
export function histogram(told, label) {
  const { bins, images } = told.scores;
  const width = WIDTH / bins;
  const kinds = /** @type {const} */ (["real", "fake"]);
  const bars = kinds.map((kind) =>
    Array.from({ length: bins }, (_, bin) => svg("rect", { class: kind, x: bin * width + 1, width: width - 2, rx: 1.5 })),
  );
  const line = svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HALF, y2: HALF });
  const element = svg("svg", { viewBox: `0 0 ${WIDTH} ${2 * HALF}`, role: "img" }, ...bars.flat(), line);
  return {
    element,
    show(moment) {
      kinds.forEach((kind, side) => {
        const counts = told.scores[kind][moment] ?? [];
        bars[side]?.forEach((bar, bin) => {
          const share = (counts[bin] ?? 0) / images;
          const height = Math.min(1, Math.sqrt(2 * share)) * (HALF - 3); // the few are seen beside the many
          bar.setAttribute("y", String(kind === "real" ? HALF - 1 - height : HALF + 1));
          bar.setAttribute("height", String(height));
        });
      });
      element.setAttribute("aria-label", label(moment));
    },
  };
}

/**
 * Both losses, with a mark wherever the trainer said something.
 * @param {Told} told
 * @param {string} label
 * @returns {Chart}
 */
export function curves(told, label) {
  const last = told.images.length - 1;
  /** @param {number} moment */
  const across = (moment) => 4 + (moment / last) * (WIDTH - 8);
  /** @param {number} loss */
  const up = (loss) => CURVES - 4 - (Math.min(loss, HIGHEST) / HIGHEST) * (CURVES - 12);
  /**
   * @param {string} name
   * @param {number[]} losses
   */
  const curve = (name, losses) => {
    const points = losses.map((loss, moment) => `${across(moment).toFixed(1)},${up(loss).toFixed(1)}`);
    return svg("polyline", { class: name, points: points.join(" ") });
  };
  const marks = told.events.map(({ images, kind }) => {
    const x = across(told.images.findIndex((count) => count >= images));
    const good = kind === "balanced" || kind === "pace";
    return svg("line", { class: good ? "mark good" : "mark", x1: x, x2: x, y1: 2, y2: CURVES });
  });
  const lossDots = /** @type {const} */ (["d_loss", "g_loss"]).map((name) => ({ name, dot: svg("circle", { class: name, r: 4 }) }));
  const now = svg("line", { class: "now", y1: 0, y2: CURVES });
  const axis = svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: CURVES - 1, y2: CURVES - 1 });
  const lines = [curve("d_loss", told.d_loss), curve("g_loss", told.g_loss)];
  const dots = lossDots.map(({ dot }) => dot);
  const frame = { viewBox: `0 0 ${WIDTH} ${CURVES}`, role: "img", "aria-label": label };
  const element = svg("svg", frame, ...marks, axis, now, ...lines, ...dots);
  return {
    element,
    show(moment) {
      const x = String(across(moment));
      now.setAttribute("x1", x);
      now.setAttribute("x2", x);
      for (const { name, dot } of lossDots) {
        dot.setAttribute("cx", x);
        dot.setAttribute("cy", String(up(told[name][moment] ?? 0)));
      }
    },
  };
}
