// The digits of a moment, and what each of their pixels is told.

import { SIDE, context2d } from "../ink.js";
import { rowOf } from "./recording.js";

const INK = [22, 34, 84];
const MORE = [24, 84, 214]; // a pixel that is to get more ink
const LESS = [208, 32, 48]; // one that is to get less
const NONE = 128; // the level of no push
const FAINT = 0.22; // of the digit beneath its push

/**
 * Paint the digits of a moment, `columns` a row.
 * @param {HTMLCanvasElement} canvas
 * @param {import("./recording.js").Recording} run
 * @param {number} moment
 * @param {{columns: number, count: number}} layout
 */
export function paintDigits(canvas, run, moment, layout) {
  const levels = rowOf(run.digits, moment);
  paintCells(canvas, layout, (cell, x, y) => [INK, levels[y * run.digits.width + cell * SIDE + x] ?? 0]);
}

/**
 * Paint the push of a moment over a faint digit: blue for more ink, red for less.
 * @param {HTMLCanvasElement} canvas
 * @param {import("./recording.js").Recording} run
 * @param {number} moment
 * @param {{columns: number, count: number}} layout
 */
export function paintPush(canvas, run, moment, layout) {
  const digits = rowOf(run.digits, moment);
  const pushes = rowOf(run.pushes, moment);
  paintCells(canvas, layout, (cell, x, y) => {
    const push = ((pushes[y * run.pushes.width + cell * SIDE + x] ?? NONE) - NONE) / 127;
    const beneath = FAINT * (digits[y * run.digits.width + cell * SIDE + x] ?? 0);
    const strength = 255 * Math.abs(push);
    return strength > beneath ? [push > 0 ? MORE : LESS, strength] : [INK, beneath];
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{columns: number, count: number}} layout
 * @param {(cell: number, x: number, y: number) => [number[], number]} colour of a pixel, and how much of it
 */
function paintCells(canvas, { columns, count }, colour) {
  const width = columns * SIDE;
  const height = Math.ceil(count / columns) * SIDE;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const image = new ImageData(width, height);
  for (let cell = 0; cell < count; cell++) {
    const left = (cell % columns) * SIDE;
    const top = Math.floor(cell / columns) * SIDE;
    for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
      const x = pixel % SIDE;
      const y = Math.floor(pixel / SIDE);
      const [[red = 0, green = 0, blue = 0], alpha] = colour(cell, x, y);
      image.data.set([red, green, blue, alpha], 4 * ((top + y) * width + left + x));
    }
  }
  context2d(canvas).putImageData(image, 0, 0);
}
