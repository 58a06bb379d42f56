// What a link asks for, value by value. What cannot be followed is told in words, with what is shown in its place.

import { t } from "./words.js";

const LAST_SEED = 2n ** 64n - 1n;
export const LAST_INDEX = 999_999_999_999_999; // the last of as many figures as a script counts exactly
const LONGEST_TOLD = 40; // letters of what is refused

/** The values that a link has, and a sentence for each that is refused. */
export class Asked {
  /**
   * @param {URLSearchParams} params
   * @param {(refused: string[]) => void} tell called with all sentences so far whenever there is another
   */
  constructor(params, tell) {
    this.params = params;
    this.tell = tell;
    /** @type {string[]} */
    this.refused = [];
  }

  /**
   * @param {string} words key of the sentence
   * @param {string} text what is refused, for {refused} in the words
   * @param {Record<string, string | number>} [values] for the words
   */
  refuse(words, text, values = {}) {
    const refused = text.length > LONGEST_TOLD ? `${text.slice(0, LONGEST_TOLD)}…` : text;
    this.refused.push(t(words, { ...values, refused }));
    this.tell(this.refused);
  }

  /**
   * @template Value
   * @param {string} name
   * @param {(text: string) => Value | undefined} read undefined: the text is no such value
   * @param {Value} otherwise where the link does not name it, or names what is none
   * @param {string} words key of the sentence on what is refused
   * @param {Record<string, string | number>} [values] for the words
   * @returns {Value}
   */
  value(name, read, otherwise, words, values = {}) {
    const text = this.params.get(name);
    if (text === null) return otherwise;
    const value = read(text);
    if (value !== undefined) return value;
    this.refuse(words, text, values);
    return otherwise;
  }
}

/**
 * @param {string} text
 * @returns {string | undefined} a seed, 0 to 2^64 - 1, without zeros before it
 */
export function seedIn(text) {
  const seed = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
  return seed !== undefined && seed <= LAST_SEED ? String(seed) : undefined;
}

export const SEED_LIMIT = { last: String(LAST_SEED) };

/**
 * @param {number} first
 * @param {number} last
 * @returns {(text: string) => number | undefined} reads a whole number from `first` to `last`
 */
export const wholeIn = (first, last) => (text) => {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  return number >= first && number <= last ? number : undefined;
};

/**
 * @template Value
 * @param {Value[]} values
 * @returns {(text: string) => Value | undefined} reads one of them
 */
export const oneOf = (values) => (text) => values.find((value) => String(value) === text);
