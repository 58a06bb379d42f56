// The school: how two networks teach each other, in six short scenes, on three recorded runs of the trainer.

import { oneOf, wholeIn } from "../asked.js";
import { calm, choice, h, sceneHead, settled } from "../dom.js";
import { link } from "../router.js";
import { CHAPTERS } from "../school/chapters.js";
import { player } from "../school/player.js";
import { LAST_MOMENT, NAMES, recording } from "../school/recording.js";
import { number, runView } from "../school/view.js";
import { loadWords, t } from "../words.js";

const REMEMBER_MS = 250;

const narrow = () => matchMedia("(max-width: 560px)").matches;

/**
 * @typedef {import("../school/recording.js").Recording} Recording
 * @typedef {{chapter: number, run: string, at: number | null}} State run: "" is the chapter's own, at: null its beginning
 */

/** @type {import("../router.js").Mount} */
export async function mount(section, context) {
  await loadWords("school");
  if (context.signal.aborted) return;
  let state = read(context.asked);
  /** @type {{show: (moment: number) => void}[]} */
  let views = [];
  /** @type {Recording[]} */
  let runs = [];
  let turn = 0;

  const remember = settled(REMEMBER_MS, () => context.replace(forLink({ ...state, at: controls.moment })));
  const controls = player({
    signal: context.signal,
    say: (moment) => t("school.when", { images: number(runs[0]?.told.images[moment] ?? 0) }),
    show(moment) {
      for (const view of views) view.show(moment);
      remember();
    },
  });
  const chapters = h("ol", { class: "school-chapters" });
  const text = h("article", { class: "school-text" });
  const stage = h("div", { class: "school-stage", "aria-busy": "true" });
  const choices = h("div");
  const finer = h("p", { class: "note" });
  section.append(
    sceneHead(t("school.title"), t("school.lead")),
    h("nav", { "aria-label": t("school.chapters") }, chapters),
    h("div", { class: "school" }, text, h("div", { class: "card school-bench" }, choices, controls.element, finer, stage)),
  );

  /** @param {Partial<State>} changed */
  function go(changed) {
    state = { ...state, at: null, ...changed };
    context.dismiss();
    context.push(forLink(state));
    void build({ playing: true });
  }

  /** @param {{playing?: boolean}} [options] */
  async function build({ playing = false } = {}) {
    const mine = ++turn;
    controls.pause();
    const chapter = CHAPTERS[state.chapter - 1];
    if (!chapter) return;
    const shown = state.run || chapter.run;
    chapters.replaceChildren(...CHAPTERS.map((each, i) => chapterLink(each.key, i + 1, state.chapter)));
    text.replaceChildren(...chapterText(chapter, state.chapter, go));
    choices.replaceChildren(runChoice(shown, (run) => go({ run: run === chapter.run ? "" : run })));
    stage.setAttribute("aria-busy", "true");
    const loaded = await Promise.all((shown === "all" ? NAMES : NAMES.filter((name) => name === shown)).map(recording));
    if (mine !== turn || context.signal.aborted) return;
    runs = loaded;
    const together = runs.length > 1;
    const panels = together ? chapter.panels.filter((panel) => panel !== "push" && panel !== "curves") : chapter.panels;
    const made = runs.map((run) =>
      runView(run, { panels, columns: together || narrow() ? 5 : 10, ...(together ? { title: t(`school.run.${run.name}`) } : {}) }),
    );
    stage.replaceChildren(...made.map((view) => view.element));
    stage.dataset.runs = String(runs.length);
    text.querySelector("aside")?.append(...howToRepeat(chapter, runs));
    stage.setAttribute("aria-busy", "false");
    views = made;
    const images = runs[0]?.told.images ?? [];
    const moments = images.length;
    const [middle = 0, all = 0] = [images[moments >> 1], images[moments - 1]];
    finer.textContent = t("school.finer", { middle: number(middle), all: number(all) });
    const [from = 0, to = 0] = [chapter.from, chapter.to].map((share) => Math.round(share * (moments - 1)));
    controls.of(moments);
    controls.go(state.at ?? (calm() ? to : from));
    if (playing && state.at === null && !calm()) controls.play(to);
  }

  context.onAsked((asked) => {
    state = read(asked);
    void build({ playing: true });
  });
  await build({ playing: true });
}

/**
 * @param {import("../asked.js").Asked} asked
 * @returns {State}
 */
function read(asked) {
  const last = CHAPTERS.length;
  /** @type {number | null} */
  const beginning = null;
  return {
    chapter: asked.value("chapter", wholeIn(1, last), 1, "school.chapter_refused", { last }),
    run: asked.value("run", oneOf(["", ...NAMES, "all"]), "", "school.run_refused"),
    at: asked.value("at", wholeIn(0, LAST_MOMENT), beginning, "school.moment_refused", { last: LAST_MOMENT }),
  };
}

/** @param {State} state */
const forLink = ({ chapter, run, at }) => ({ chapter, run, at });

/**
 * @param {string} key
 * @param {number} place
 * @param {number} current
 */
const chapterLink = (key, place, current) =>
  h(
    "li",
    {},
    h(
      "a",
      { href: link("school", { chapter: place }), "aria-current": place === current && "step" },
      h("span", { class: "school-number", "aria-hidden": "true" }, String(place)),
      h("span", { class: "school-name" }, t(`school.${key}.short`)),
    ),
  );

/**
 * @param {import("../school/chapters.js").Chapter} chapter
 * @param {number} place
 * @param {(changed: Partial<State>) => void} go
 */
function chapterText(chapter, place, go) {
  /**
   * @param {number} to
   * @param {string} label
   */
  const step = (to, label) =>
    h("button", { type: "button", disabled: !CHAPTERS[to - 1], on: { click: () => go({ chapter: to, run: "" }) } }, t(label));
  const key = `school.${chapter.key}`;
  return [
    h("h2", {}, t(`${key}.title`)),
    ...Array.from({ length: chapter.paragraphs }, (_, i) => h("p", {}, t(`${key}.${i + 1}`))),
    chapter.provoked &&
      h("aside", { class: "school-provoked" }, h("h3", {}, t("school.provoked")), h("p", {}, t(`${key}.provoked`))),
    h("div", { class: "row" }, step(place - 1, "school.previous"), step(place + 1, "school.next")),
  ].filter((part) => part instanceof Node);
}

/**
 * @param {import("../school/chapters.js").Chapter} chapter
 * @param {Recording[]} loaded
 */
function howToRepeat(chapter, loaded) {
  const told = loaded.find(({ name }) => name === (chapter.run === "all" ? "balanced" : chapter.run))?.told;
  if (!told) return [];
  const words = told.governor_would_say;
  const options = told.command.split(/ (?=--)/).flatMap((option) => [h("span", {}, option), " "]);
  return [...(words ? [h("p", {}, t("school.would_say", { words }))] : []), h("code", {}, ...options.slice(0, -1))];
}

/**
 * @param {string} value
 * @param {(run: string) => void} choose
 */
function runChoice(value, choose) {
  const options = [...NAMES, "all"].map((name) => ({ value: name, label: t(`school.run.${name}`) }));
  return choice({ label: t("school.run"), name: "school-run", options, value, choose });
}
