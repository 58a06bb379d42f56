// A recorded run: what benchmarks/record_school.py wrote of it, a row of digits and pushes for every moment.

import { recorded } from "../api.js";
import { SIDE, fetchGrey } from "../ink.js";

/**
 * @typedef {"balanced" | "discriminator-too-strong" | "generator-too-strong"} Name
 *
 * @typedef {object} Told
 * @property {string} command how to make the run again
 * @property {number[]} images real images shown so far, by moment, as is all of the following but the events
 * @property {{count: number, pushed: number}} digits in a row
 * @property {{images: number, bins: number, real: number[][], fake: number[][]}} scores histograms of real_probability
 * @property {number[]} real_mean
 * @property {number[]} fake_mean
 * @property {number[]} d_loss
 * @property {number[]} g_loss
 * @property {{length: number[]}} push
 * @property {{images: number, kind: string, text: string}[]} events in the trainer's own words
 * @property {string | null} governor_would_say null where it was on
 *
 * @typedef {object} Recording
 * @property {Name} name
 * @property {Told} told
 * @property {import("../ink.js").Grey} digits
 * @property {import("../ink.js").Grey} pushes
 */

/** @type {Name[]} */
export const NAMES = ["balanced", "discriminator-too-strong", "generator-too-strong"];
export const LAST_MOMENT = 72; // of each of them

/** @type {Map<Name, Promise<Recording>>} */
const loaded = new Map();

/**
 * @param {Name} name
 * @returns {Promise<Recording>} loaded once
 */
export function recording(name) {
  const known = loaded.get(name) ?? load(name);
  loaded.set(name, known);
  known.catch(() => loaded.delete(name));
  return known;
}

/** @param {Name} name */
async function load(name) {
  const [told, digits, pushes] = await Promise.all([
    recorded(`static/school/${name}.json`),
    fetchGrey(`static/school/${name}-digits.png`),
    fetchGrey(`static/school/${name}-push.png`),
  ]);
  return { name, told: /** @type {Told} */ (told), digits, pushes };
}

/**
 * @param {import("../ink.js").Grey} sheet a row of pictures for every moment
 * @param {number} moment
 * @returns {Uint8Array} the levels of that row, row by row of its pixels
 */
export function rowOf(sheet, moment) {
  const length = sheet.width * SIDE;
  return sheet.levels.subarray(moment * length, (moment + 1) * length);
}

/**
 * @param {Told} told
 * @param {number} moment
 * @returns {{images: number, kind: string, text: string} | undefined} the last thing that the trainer said until then
 */
export const lastWords = (told, moment) => told.events.findLast(({ images }) => images <= (told.images[moment] ?? 0));
