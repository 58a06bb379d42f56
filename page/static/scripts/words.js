// The page's words in two languages. `t("draw.clear")` gives them; words/en.json and words/zh.json hold them, and a scene
// with many words of its own has a folder there, which it loads by `loadWords`.

import { remember, remembered } from "./theme.js";

/** @typedef {"en" | "zh"} Language */

/** @type {Record<string, string>} */
const words = {};
/** @type {Set<string>} */
const loaded = new Set([""]);
/** @type {Language} */
let current = "en";

/** @returns {Language} */
export const language = () => current;

/** @returns {Language} the one chosen earlier, or else the browser's, or else English */
export function preferredLanguage() {
  const known = remembered("language") ?? navigator.language;
  return known.startsWith("zh") ? "zh" : "en";
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] what stands for {name} in the words
 * @returns {string}
 */
export function t(key, values = {}) {
  const found = words[key];
  if (found === undefined) throw new Error(`no words for ${key} in ${current}`);
  return found.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * Load a scene's own words, words/FOLDER/LANGUAGE.json; again whenever the language changes.
 * @param {string} folder
 */
export async function loadWords(folder) {
  if (loaded.has(folder)) return;
  await fetchWords(folder, current);
  loaded.add(folder);
}

/**
 * Speak a language from now on: of the page's frame at once, of a scene when it is next shown.
 * @param {Language} chosen
 * @param {{keep?: boolean}} [options] keep: for the next visit as well
 */
export async function speak(chosen, { keep = false } = {}) {
  await Promise.all([...loaded].map((folder) => fetchWords(folder, chosen)));
  current = chosen;
  if (keep) remember("language", chosen);
  document.documentElement.lang = chosen === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.getAttribute("data-t") ?? "");
  for (const node of document.querySelectorAll("[data-t-label]"))
    node.setAttribute("aria-label", t(node.getAttribute("data-t-label") ?? ""));
}

/**
 * @param {string} folder
 * @param {Language} chosen
 */
async function fetchWords(folder, chosen) {
  const answer = await fetch(`static/words/${folder ? folder + "/" : ""}${chosen}.json`);
  if (!answer.ok) throw new Error(`no words: ${answer.status}`);
  Object.assign(words, await answer.json());
}
