// What gave an image away: the detector's answer with each patch covered, as colour over the pixels.

import { SIDE, blank, context2d } from "../ink.js";

const GAVE_AWAY = [214, 40, 57];
const SPOKE_FOR_A_HAND = [46, 104, 230];

/**
 * @typedef {NonNullable<import("../api.js").Score["map"]>} Map
 * @param {number} probability
 */
const logit = (probability) => {
  const kept = Math.min(1 - 1e-7, Math.max(1e-7, probability));
  return Math.log(kept / (1 - kept));
};

/**
 * @param {Map} map
 * @param {number} realProbability with nothing covered
 * @returns {Float32Array} 28x28, -1 to 1: above 0 where the image looks more like a hand's once the pixel is covered
 */
export function heat(map, realProbability) {
  const sums = new Float32Array(SIDE * SIDE);
  const counts = new Float32Array(SIDE * SIDE);
  map.real_probability.forEach((row, i) =>
    row.forEach((covered, j) => {
      const rise = logit(covered) - logit(realProbability);
      for (let y = i * map.stride; y < i * map.stride + map.patch; y++)
        for (let x = j * map.stride; x < j * map.stride + map.patch; x++) {
          sums[y * SIDE + x] = (sums[y * SIDE + x] ?? 0) + rise;
          counts[y * SIDE + x] = (counts[y * SIDE + x] ?? 0) + 1;
        }
    }),
  );
  const means = sums.map((sum, i) => sum / Math.max(1, counts[i] ?? 1));
  const most = Math.max(1, ...means.map(Math.abs)); // a rise below a unit of the logit says little
  return means.map((mean) => mean / most);
}

/**
 * @param {Float32Array} values of `heat`
 * @returns {HTMLCanvasElement} 28x28, see-through where it says little
 */
export function heatCanvas(values) {
  const canvas = blank(SIDE, SIDE);
  canvas.className = "heat";
  const image = new ImageData(SIDE, SIDE);
  values.forEach((value, i) => {
    const [red = 0, green = 0, blue = 0] = value > 0 ? GAVE_AWAY : SPOKE_FOR_A_HAND;
    image.data.set([red, green, blue, 205 * Math.abs(value) ** 0.8], 4 * i);
  });
  context2d(canvas).putImageData(image, 0, 0);
  return canvas;
}
