// Digits of the stream by the sheet: a hundred to a request, each sheet under the one address that caches keep.

import { digitAddress } from "../api.js";
import { cut, fetchGrey, inked } from "../ink.js";

const COLUMNS = 10;
export const SHEET = COLUMNS * 10;
const KEPT = 40;

/**
 * @typedef {object} Stream
 * @property {import("../api.js").Model} model
 * @property {string} seed 0 to 2^64 - 1
 * @property {number | null} digit a class, or null for all in turn
 */

/**
 * @typedef {object} Sheet
 * @property {HTMLCanvasElement} canvas ten digits in a row
 * @property {(place: number) => import("../ink.js").Grey} cut one of its digits
 */

/** The sheets of one stream, the latest of them kept. */
export class Sheets {
  /**
   * @param {Stream} stream
   * @param {AbortSignal} signal
   */
  constructor(stream, signal) {
    this.stream = stream;
    this.signal = signal;
    /** @type {Map<number, Promise<Sheet>>} */
    this.asked = new Map();
    /** @type {Map<number, Sheet>} */
    this.here = new Map();
  }

  /**
   * @param {number} number 0 for the digits 0 to 99, and so on
   * @returns {Promise<Sheet>}
   */
  get(number) {
    const asked = this.asked.get(number);
    if (asked) return asked;
    const sheet = this.fetch(number);
    this.asked.set(number, sheet);
    sheet.catch(() => this.asked.delete(number));
    return sheet;
  }

  /** @param {number} number */
  async fetch(number) {
    const { model, seed, digit } = this.stream;
    const first = number * SHEET;
    const address = digitAddress(model, `${seed}/${first}-${first + SHEET - 1}`, "png", { digit, columns: COLUMNS });
    const grey = await fetchGrey(address, this.signal);
    const sheet = { canvas: inked(grey), cut: (/** @type {number} */ place) => cut(grey, place) };
    this.here.set(number, sheet);
    for (const old of this.here.keys()) {
      if (this.here.size <= KEPT) break;
      this.here.delete(old);
      this.asked.delete(old);
    }
    return sheet;
  }

  /**
   * @param {number} index in the stream
   * @returns {Promise<import("../ink.js").Grey>}
   */
  async digit(index) {
    return (await this.get(Math.floor(index / SHEET))).cut(index % SHEET);
  }
}

/**
 * @param {Stream} stream
 * @param {number} index
 * @returns {string} the digit's class, in words
 */
export function className({ model, digit }, index) {
  const names = model.class_names;
  return names[digit ?? index % names.length] ?? "";
}
