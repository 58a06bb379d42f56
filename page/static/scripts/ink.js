// Grey levels as ink: what is 255 in an image is all ink, what is 0 is the paper that it lies on. The canvases have ink of one
// colour, with the class "ink", which style.css turns to chalk where the page is dark.

import { picture } from "./api.js";

export const SIDE = 28;
const INK = [22, 34, 84];

/**
 * @typedef {object} Grey an image of grey levels
 * @property {Uint8Array} levels row by row
 * @property {number} width
 * @property {number} height
 */

/**
 * @param {Blob} file
 * @returns {Promise<Grey>} its first channel
 */
export async function readGrey(file) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = context2d(blank(width, height), { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const levels = new Uint8Array(width * height);
  for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i] ?? 0;
  return { levels, width, height };
}

/**
 * @param {string} address of an image
 * @param {AbortSignal} [signal]
 * @returns {Promise<Grey>}
 */
export const fetchGrey = async (address, signal) => readGrey(await picture(address, signal));

/**
 * @param {Grey} sheet digits in rows, without borders
 * @param {number} place of the digit, row by row
 * @returns {Grey} a copy of this digit
 */
export function cut(sheet, place) {
  const columns = Math.floor(sheet.width / SIDE);
  const left = (place % columns) * SIDE;
  const top = Math.floor(place / columns) * SIDE;
  const levels = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    const start = (top + y) * sheet.width + left;
    levels.set(sheet.levels.subarray(start, start + SIDE), y * SIDE);
  }
  return { levels, width: SIDE, height: SIDE };
}

/**
 * Paint an image on a canvas, a pixel for a pixel; CSS makes it larger.
 * @param {HTMLCanvasElement} canvas
 * @param {Grey} grey
 * @returns {HTMLCanvasElement} the canvas
 */
export function paint(canvas, grey) {
  canvas.classList.add("ink");
  if (canvas.width !== grey.width) canvas.width = grey.width;
  if (canvas.height !== grey.height) canvas.height = grey.height;
  const image = new ImageData(grey.width, grey.height);
  const [red = 0, green = 0, blue = 0] = INK;
  for (let i = 0; i < grey.levels.length; i++) {
    image.data[4 * i] = red;
    image.data[4 * i + 1] = green;
    image.data[4 * i + 2] = blue;
    image.data[4 * i + 3] = grey.levels[i] ?? 0;
  }
  context2d(canvas).putImageData(image, 0, 0);
  return canvas;
}

/**
 * @param {Grey} grey
 * @returns {HTMLCanvasElement} a new canvas with it
 */
export const inked = (grey) => paint(blank(grey.width, grey.height), grey);

/**
 * @param {Grey} grey
 * @returns {Promise<Blob>} as a PNG file, white on black as it was, for the detector
 */
export function asFile(grey) {
  const canvas = blank(grey.width, grey.height);
  const image = new ImageData(grey.width, grey.height);
  grey.levels.forEach((level, i) => image.data.set([level, level, level, 255], 4 * i));
  context2d(canvas).putImageData(image, 0, 0);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no image"))), "image/png"),
  );
}

/**
 * @param {string} base64 of 28x28 grey levels
 * @returns {Grey}
 */
export const decodeGrey = (base64) => ({
  levels: Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)),
  width: SIDE,
  height: SIDE,
});

/**
 * @param {number} width
 * @param {number} height
 */
export function blank(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function context2d(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("no canvas");
  return context;
}
