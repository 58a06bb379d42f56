// The six scenes: which run each looks at, from which moment to which, and what of it is shown.

/**
 * @typedef {"digits" | "push" | "scores" | "curves" | "words"} Panel
 * @typedef {import("./recording.js").Name} Name
 *
 * @typedef {object} Chapter
 * @property {string} key of its words
 * @property {Name | "all"} run
 * @property {number} from a share of the run
 * @property {number} to where playing stops
 * @property {Panel[]} panels
 * @property {number} paragraphs
 * @property {boolean} [provoked] whether something was done to its run, which is told
 */

/** @type {Panel[]} */
const ALL = ["digits", "push", "scores", "curves", "words"];

/** @type {Chapter[]} */
export const CHAPTERS = [
  { key: "forger", run: "balanced", from: 0, to: 1, panels: ["digits"], paragraphs: 2 },
  { key: "inspector", run: "balanced", from: 0, to: 0.5, panels: ["digits", "scores"], paragraphs: 2 },
  { key: "fight", run: "balanced", from: 0, to: 1, panels: ["digits", "push", "scores", "curves"], paragraphs: 3 },
  { key: "strong_inspector", run: "discriminator-too-strong", from: 0, to: 1, panels: ALL, paragraphs: 2, provoked: true },
  { key: "strong_forger", run: "generator-too-strong", from: 0, to: 1, panels: ALL, paragraphs: 2, provoked: true },
  { key: "balance", run: "all", from: 0, to: 1, panels: ["digits", "scores", "words"], paragraphs: 3, provoked: true },
];
