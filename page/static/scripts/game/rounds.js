// The twenty pictures of a game: which they are follows from its number alone, so that two people can play the same game.

import { digitAddress } from "../api.js";
import { cut, fetchGrey } from "../ink.js";

export const ROUNDS = 20;
const REAL_DIGITS = 300; // in static/game/real.png, in the order 0 1 2 ... 9 0 1 ..., see benchmarks/game_digits.py
const FAKES = 100; // the first of the game's own seed, of which a digit's class is its index's last figure

/**
 * @typedef {object} Round
 * @property {import("../ink.js").Grey} grey
 * @property {boolean} real
 */

/**
 * Numbers from 0 to 1 that follow from a seed (mulberry32, by Tommy Ettinger).
 * @param {number} seed
 */
export function chances(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Half of them real, in any order; each class comes as often on either side.
 * @param {number} game its number
 * @returns {{real: boolean, index: number}[]} index: in the sheet of real digits, or in the game's own stream
 */
export function deal(game) {
  const chance = chances(game);
  const dealt = [];
  for (let i = 0; i < ROUNDS; i++) {
    const [digit, real] = [i % 10, i < ROUNDS / 2];
    dealt.push({ real, index: digit + 10 * Math.floor(chance() * ((real ? REAL_DIGITS : FAKES) / 10)) });
  }
  for (let i = ROUNDS - 1; i > 0; i--) {
    const other = Math.floor(chance() * (i + 1));
    const [here, there] = [dealt[i], dealt[other]];
    if (here && there) [dealt[i], dealt[other]] = [there, here];
  }
  return dealt;
}

/**
 * @param {number} game
 * @param {import("../api.js").Model} model that makes the other half
 * @param {AbortSignal} signal
 * @returns {Promise<Round[]>}
 */
export async function rounds(game, model, signal) {
  const [real, made] = await Promise.all([
    fetchGrey("static/game/real.png", signal),
    fetchGrey(digitAddress(model, `${game}/0-${FAKES - 1}`, "png", { columns: 10 }), signal),
  ]);
  return deal(game).map((round) => ({ real: round.real, grey: cut(round.real ? real : made, round.index) }));
}
