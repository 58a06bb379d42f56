// The game: twenty pictures, real or generated? You against the detector.

import { defaultModel, score } from "../api.js";
import { wholeIn } from "../asked.js";
import { h, sceneHead } from "../dom.js";
import { asFile, inked } from "../ink.js";
import { result, right } from "../game/result.js";
import { ROUNDS, rounds } from "../game/rounds.js";
import { percent } from "../verdict.js";
import { t } from "../words.js";

const LAST_GAME = 999_999_999;

/** @type {import("../router.js").Mount} */
export async function mount(section, context) {
  const { signal } = context;
  const model = await defaultModel();
  if (signal.aborted) return;
  let game = gameOf(context.asked);
  /** @type {import("../game/rounds.js").Round[]} */
  let pictures = [];
  /** @type {import("../game/result.js").Answer[]} */
  let answers = [];
  /** @type {Promise<import("../api.js").Score>[]} what the detector says, asked for before you answer and not shown */
  let told = [];
  let phase = /** @type {"asking" | "waiting" | "answered" | "over"} */ ("waiting");

  const place = h("div");
  section.append(sceneHead(t("game.title"), t("game.lead", { n: ROUNDS })), place);

  async function begin() {
    answers = [];
    phase = "waiting";
    context.replace({ game });
    place.replaceChildren(h("p", { class: "note" }, t("game.dealing")));
    const mine = game;
    try {
      const dealt = await rounds(game, model, signal);
      if (signal.aborted || mine !== game) return;
      pictures = dealt;
      told = [];
      ask();
    } catch (error) {
      if (!signal.aborted) place.replaceChildren(h("p", { class: "note" }, String(error)));
    }
  }

  /** The detector's answer to the picture that is shown, without waiting for it. */
  function look() {
    const picture = pictures[answers.length];
    if (!picture) return;
    const said = asFile(picture.grey).then((file) => score(file, { signal }));
    said.catch(() => undefined); // told when it is waited for
    told[answers.length] = said;
  }

  function ask() {
    const picture = pictures[answers.length];
    if (!picture) return end();
    phase = "asking";
    look();
    const canvas = inked(picture.grey);
    canvas.role = "img";
    canvas.ariaLabel = t("game.picture", { i: answers.length + 1, n: ROUNDS });
    const hand = h("button", { type: "button", class: "hand", on: { click: () => answer(true) } }, "← ", t("game.hand"));
    const machine = h("button", { type: "button", class: "machine", on: { click: () => answer(false) } }, t("game.machine"), " →");
    place.replaceChildren(
      h(
        "div",
        { class: "game" },
        h("div", { class: "squared" }, canvas),
        h(
          "div",
          { class: "game-side" },
          h("div", { class: "game-buttons" }, hand, machine),
          marks(),
          h("div", { class: "game-said", "aria-live": "polite" }, h("p", { class: "note by-keyboard" }, t("game.keys"))),
        ),
      ),
    );
  }

  /** @param {boolean} you said that a hand wrote it */
  async function answer(you) {
    if (phase !== "asking") return;
    phase = "waiting";
    const [number, round] = [answers.length, pictures[answers.length]];
    const mine = game;
    if (!round) return;
    place.querySelectorAll("button").forEach((button) => (button.disabled = true));
    try {
      const said = await told[number];
      if (signal.aborted || mine !== game || !said) return;
      answers.push({ round, you, detector: said.real });
      phase = "answered";
      tell(round, you, said);
    } catch (error) {
      phase = "asking";
      if (!signal.aborted) place.querySelector(".game-said")?.replaceChildren(h("p", { class: "note" }, String(error)));
    }
  }

  /**
   * @param {import("../game/rounds.js").Round} round
   * @param {boolean} you
   * @param {import("../api.js").Score} said
   */
  function tell(round, you, said) {
    const truth = t(round.real ? "game.was_hand" : "game.was_machine");
    const verdict = `${truth} ${t(you === round.real ? "game.you_right" : "game.you_wrong")}`;
    const isDigit = said.real || said.verdict === "generated";
    const answered = isDigit ? (said.real ? "game.detector_hand" : "game.detector_machine") : "game.detector_neither";
    const detector = t(answered, { value: percent(said.real_probability), threshold: percent(model.threshold) });
    const next = h("button", { type: "button", class: "main", on: { click: ask } }, t("game.next"));
    place.querySelector(".game-marks")?.replaceWith(marks());
    place.querySelector(".game-said")?.replaceChildren(
      h("p", { class: "verdict", data: { verdict: round.real ? "real_digit" : "generated" } }, verdict),
      h("p", {}, detector),
    );
    place.querySelector(".game-buttons")?.replaceChildren(next);
    next.focus({ preventScroll: true });
  }

  function end() {
    phase = "over";
    place.replaceChildren(
      result(answers, game, () => {
        context.dismiss();
        choose(anyGame());
      }),
    );
    place.querySelector("h2")?.focus({ preventScroll: true });
  }

  const marks = () => {
    const row = h("div", { "aria-hidden": "true" });
    for (let i = 0; i < ROUNDS; i++) {
      const given = answers[i];
      const now = i === answers.length ? "now" : "";
      row.append(h("i", { class: given ? (given.you === given.round.real ? "right" : "wrong") : now }));
    }
    return h("div", { class: "game-marks" }, row, h("p", { class: "note" }, standing()));
  };
  const standing = () =>
    t("game.standing", { you: right(answers, "you"), detector: right(answers, "detector"), i: answers.length, n: ROUNDS });

  /** @param {number} other */
  function choose(other) {
    game = other;
    void begin();
  }

  addEventListener(
    "keydown",
    (event) => {
      if (event.target instanceof HTMLInputElement || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        event.preventDefault();
        if (phase === "asking") void answer(event.key === "ArrowLeft");
        else if (phase === "answered") ask();
      }
    },
    { signal },
  );
  context.onAsked((asked) => {
    if (asked.params.get("game") !== String(game)) choose(gameOf(asked));
  });
  await begin();
}

/** @param {import("../asked.js").Asked} asked */
function gameOf(asked) {
  const any = anyGame();
  return asked.value("game", wholeIn(0, LAST_GAME), any, "game.refused", { last: LAST_GAME, game: any });
}

const anyGame = () => Math.floor(Math.random() * 1_000_000);
