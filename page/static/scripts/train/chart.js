// Curves that grow while a run goes on.

import { h, svg } from "../dom.js";

const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 52;
const TOP = 16;
const BOTTOM = 30;
const MOST_POINTS = 400;

/**
 * @typedef {object} Series
 * @property {string} name in the readings
 * @property {string} label
 * @property {"hand" | "machine"} kind its colour
 *
 * @param {object} what
 * @param {string} what.title
 * @param {Series[]} what.series
 * @param {number} what.top the highest value that fits, at first
 * @param {number} what.images the run's length
 */
export function chart({ title, series, top, images }) {
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  const key = h("figcaption", {}, h("strong", {}, title));
  const last = series.map(({ label, kind }) => {
    const value = h("b", {}, "–");
    key.append(h("span", { class: `key ${kind}` }, h("i"), label, " ", value));
    return value;
  });
  /** @type {Record<string, number>[]} */
  let readings = [];
  let waits = false;

  function draw() {
    waits = false;
    const most = Math.min(8, Math.max(top, ...series.flatMap(({ name }) => readings.map((each) => each[name] ?? 0))));
    /** @param {number} at */
    const x = (at) => LEFT + ((WIDTH - LEFT - 4) * at) / images;
    /** @param {number} value */
    const y = (value) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - Math.min(value, most) / most);
    picture.replaceChildren();
    for (const share of [0, 0.5, 1]) {
      const value = most * share;
      picture.append(
        svg("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value), class: "rule" }),
        svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(most > 2 ? 0 : 1)),
      );
    }
    picture.append(svg("text", { x: WIDTH, y: HEIGHT - 6, "text-anchor": "end" }, images.toLocaleString()));
    const every = Math.max(1, Math.ceil(readings.length / MOST_POINTS));
    const shown = readings.filter((_, i) => i % every === 0 || i === readings.length - 1);
    series.forEach(({ name, kind }, i) => {
      const known = shown.filter((each) => Number.isFinite(each[name])); // the last reading of a run has no losses
      const points = known.map((each) => [x(each.images ?? 0), y(each[name] ?? 0)]);
      const line = points.map((point) => point.map((place) => place.toFixed(1)).join()).join(" ");
      picture.append(svg("polyline", { points: line, class: kind }));
      const value = known[known.length - 1]?.[name];
      if (value !== undefined) /** @type {HTMLElement} */ (last[i]).textContent = value.toFixed(2);
    });
  }

  /** The next frame shows it: hundreds of readings come at once when a run is looked at late. */
  function soon() {
    if (!waits) requestAnimationFrame(draw);
    waits = true;
  }

  draw();
  return {
    element: h("figure", { class: "chart" }, key, picture),
    /** @param {Record<string, number>} reading */
    add(reading) {
      readings.push(reading);
      soon();
    },
    /** @param {number} at how many images the run was set back to */
    rewind(at) {
      readings = readings.filter((each) => (each.images ?? 0) <= at);
      soon();
    },
  };
}
