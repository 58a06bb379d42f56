// Train live: give each network a learning rate, start, and watch how the fight goes.

import { startTraining, stopTraining, training } from "../api.js";
import { oneOf } from "../asked.js";
import { choice, h, sceneHead, slider } from "../dom.js";
import { watch } from "../train/watch.js";
import { t } from "../words.js";

const EVEN = 0.003; // the default preset's
const [SLOWEST, FASTEST] = [0.01, 100]; // as multiples of it
const LENGTHS = [10_000, 30_000, 60_000];
const USUAL_LENGTH = 30_000;
const MATCHES = { even: [1, 1], inspector: [0.03, 3], forger: [10, 0.03] };

/** @type {import("../router.js").Mount} */
export async function mount(section, context) {
  const { signal } = context;
  let now = await training(signal);
  if (signal.aborted) return;
  section.append(sceneHead(t("train.title"), t("train.lead")));
  if (!now.allowed) {
    section.append(
      h(
        "div",
        { class: "card train-off" },
        h("h2", {}, t("train.off")),
        h("p", {}, t("train.off_why")),
        h("pre", { tabindex: "0" }, h("code", {}, "make demo DEMO_ARGS=--allow-training")),
        h("p", {}, t("train.off_installed")),
        h("pre", { tabindex: "0" }, h("code", {}, "digitforge-page --with-server --allow-training")),
        h("p", {}, h("a", { href: "#/school" }, t("train.off_school"))),
      ),
    );
    return;
  }

  const state = readSettings(context.asked);
  let turn = new AbortController();
  signal.addEventListener("abort", () => turn.abort());
  const place = h("div", { class: "train-place" });
  const note = h("p", { class: "note", "aria-live": "polite" });
  const start = h("button", { type: "button", class: "main", on: { click: go } }, t("train.start"));
  const stop = h("button", { type: "button", on: { click: halt } }, t("train.stop"));
  const rates = h("div", { class: "train-rates" });
  const match = choice({
    label: t("train.match"),
    name: "match",
    value: matchOf(state),
    options: Object.keys(MATCHES).map((value) => ({ value, label: t(`train.match_${value}`) })),
    choose(name) {
      const [g = 1, d = 1] = MATCHES[/** @type {keyof typeof MATCHES} */ (name)];
      Object.assign(state, { g, d });
      showRates();
      chosen();
    },
  });
  const length = choice({
    label: t("train.length"),
    name: "length",
    value: String(state.images),
    options: LENGTHS.map((images) => ({ value: String(images), label: images.toLocaleString() })),
    choose(images) {
      state.images = Number(images);
      chosen();
    },
  });
  section.append(
    h("div", { class: "card train-controls" }, match, rates, length, h("div", { class: "row" }, start, stop), note),
    place,
  );

  function chosen() {
    context.dismiss();
    context.replace(state);
  }

  /** Have the radio buttons say what the state is. */
  function mark() {
    for (const radio of match.querySelectorAll("input")) radio.checked = radio.value === matchOf(state);
    for (const radio of length.querySelectorAll("input")) radio.checked = radio.value === String(state.images);
  }

  function showRates() {
    /** @param {"g" | "d"} which */
    const of = (which) =>
      slider({
        label: t(which === "g" ? "train.lr_g" : "train.lr_d"),
        min: Math.log10(SLOWEST),
        max: Math.log10(FASTEST),
        step: 0.1,
        value: Math.log10(state[which]),
        say: (power) => (EVEN * 10 ** power).toPrecision(2),
        change(power) {
          state[which] = Number((10 ** power).toPrecision(3));
          mark();
          chosen();
        },
      });
    rates.replaceChildren(of("d"), of("g"));
  }

  function buttons() {
    start.disabled = now.running;
    stop.disabled = !now.running;
  }

  async function go() {
    start.disabled = true;
    note.textContent = "";
    try {
      now = await startTraining({ lr_g: EVEN * state.g, lr_d: EVEN * state.d, images: state.images });
      look();
    } catch (error) {
      note.textContent = error instanceof Error ? error.message : String(error);
      now = await training(signal);
      look();
    }
  }

  async function halt() {
    stop.disabled = true;
    note.textContent = t("train.stopping");
    try {
      await stopTraining();
    } catch (error) {
      note.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  function look() {
    buttons();
    turn.abort();
    turn = new AbortController();
    if (!now.run) return place.replaceChildren();
    place.replaceChildren(watch({ run: now.run, ended, signal: turn.signal }));
  }

  /**
   * @param {string} how
   * @param {string} message
   */
  function ended(how, message) {
    now = { ...now, running: false };
    buttons();
    note.textContent = t(`train.${how}`, { message });
  }

  context.onAsked((asked) => {
    Object.assign(state, readSettings(asked));
    mark();
    showRates();
  });
  showRates();
  context.replace(state);
  look();
}

/**
 * @param {{g: number, d: number}} rates
 * @returns {string} the match that these are; "" where they are none of those that have a name
 */
const matchOf = ({ g, d }) => Object.entries(MATCHES).find(([, rates]) => rates[0] === g && rates[1] === d)?.[0] ?? "";

/** @param {import("../asked.js").Asked} asked */
function readSettings(asked) {
  /** @param {"g" | "d"} which */
  const factor = (which) => asked.value(which, factorIn, 1, "train.rate_refused", { least: SLOWEST, most: FASTEST });
  const lengths = LENGTHS.join(", ");
  const images = asked.value("images", oneOf(LENGTHS), USUAL_LENGTH, "train.length_refused", { lengths, shown: USUAL_LENGTH });
  return { g: factor("g"), d: factor("d"), images };
}

/**
 * @param {string} text
 * @returns {number | undefined} what the even rate is multiplied by
 */
function factorIn(text) {
  const factor = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  return factor >= SLOWEST && factor <= FASTEST ? factor : undefined;
}
