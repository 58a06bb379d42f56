// How a game ended: the twenty pictures with both answers, and a few lines to send to someone.

import { copyButton, h } from "../dom.js";
import { inked } from "../ink.js";
import { link } from "../router.js";
import { t } from "../words.js";

/**
 * @typedef {object} Answer
 * @property {import("./rounds.js").Round} round
 * @property {boolean} you said that a hand wrote it
 * @property {boolean} detector said that a hand wrote it
 */

/**
 * @param {Answer[]} answers
 * @param {"you" | "detector"} who
 */
export const right = (answers, who) => answers.filter((answer) => answer[who] === answer.round.real).length;

/**
 * @param {Answer[]} answers
 * @param {number} game
 * @returns {string} the score as text, a square for each picture
 */
export function shared(answers, game) {
  const squares = answers.map((answer) => (answer.you === answer.round.real ? "🟦" : "🟥"));
  const rows = [squares.slice(0, 10).join(""), squares.slice(10).join("")];
  const score = t("game.shared", { you: right(answers, "you"), detector: right(answers, "detector"), n: answers.length });
  return [score, ...rows, new URL(link("game", { game }), document.baseURI).href].join("\n");
}

/**
 * @param {Answer[]} answers
 * @param {number} game
 * @param {() => void} again
 */
export function result(answers, game, again) {
  const [you, detector] = [right(answers, "you"), right(answers, "detector")];
  const who = you > detector ? "game.won" : you < detector ? "game.lost" : "game.drawn";
  const pictures = h("ol", { class: "game-all" });
  for (const answer of answers) {
    const said = answer.you === answer.round.real ? "game.you_right" : "game.you_wrong";
    const label = `${t(answer.round.real ? "game.was_hand" : "game.was_machine")} ${t(said)}`;
    const canvas = inked(answer.round.grey);
    canvas.role = "img";
    canvas.ariaLabel = label;
    const maker = answer.round.real ? "hand" : "machine";
    const mark = answer.you === answer.round.real ? "right" : "wrong";
    pictures.append(h("li", { title: label, class: mark }, canvas, h("span", { class: maker }, t(`game.${maker}_short`))));
  }
  const legend = ["right", "wrong"].map((mark) => h("span", { class: mark }, t(`game.you_${mark}`)));
  const next = h("button", { type: "button", class: "main", on: { click: again } }, t("game.again"));
  return h(
    "div",
    { class: "game-result" },
    h("h2", { tabindex: -1 }, t(who)),
    h("p", { class: "game-score" }, t("game.score", { you, detector, n: answers.length })),
    pictures,
    h("p", { class: "note game-legend" }, t("game.legend"), ...legend),
    h("div", { class: "row" }, next, copyButton(() => shared(answers, game), t("game.share"))),
  );
}
