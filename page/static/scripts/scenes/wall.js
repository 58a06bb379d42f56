// The wall: endless digits of a seed, by class, each of which can be looked at.

import { defaultModel } from "../api.js";
import { LAST_INDEX, SEED_LIMIT, oneOf, seedIn, wholeIn } from "../asked.js";
import { choice, h, sceneHead } from "../dom.js";
import { link } from "../router.js";
import { wall } from "../wall/grid.js";
import { Sheets } from "../wall/sheets.js";
import { digitView } from "../wall/view.js";
import { t } from "../words.js";

const SEED = "7";
const FAR = 100_000; // from here on, a wall begins where its address says, not at 0

/** @type {import("../router.js").Mount} */
export async function mount(section, context) {
  const model = await defaultModel();
  if (context.signal.aborted) return;
  let state = read(context.asked, model);
  /** @type {AbortController | undefined} what belongs to the stream that is shown */
  let stream;
  /** @type {ReturnType<typeof wall>} */
  let grid;
  /** @type {ReturnType<typeof digitView>} */
  let view;
  let first = 0; // of the digits that the wall has
  const place = h("div");

  const field = h("input", { type: "number", min: 0, step: 1, inputmode: "numeric", value: state.seed, id: "wall-seed" });
  field.addEventListener("change", () => {
    const seed = seedIn(field.value);
    field.setCustomValidity(seed === undefined ? t("wall.seed_limit", SEED_LIMIT) : "");
    if (field.reportValidity() && seed !== undefined) choose({ seed });
  });
  const other = h("button", { type: "button", on: { click: () => choose({ seed: String(randomSeed()) }) } }, t("wall.other"));
  const classes = h("div");
  section.append(
    sceneHead(t("wall.title"), t("wall.lead")),
    h(
      "div",
      { class: "wall-bar" },
      classes,
      h("div", { class: "row" }, h("label", { class: "field" }, t("wall.seed"), field), other),
    ),
    place,
  );

  /** @param {Partial<{seed: string, digit: string}>} changed */
  function choose(changed) {
    state = { ...state, at: 0, open: null, ...changed };
    context.dismiss();
    context.push(forLink(state));
    scrollTo(0, 0);
    build();
  }

  function build() {
    stream?.abort();
    stream = new AbortController();
    context.signal.addEventListener("abort", () => stream?.abort(), { signal: stream.signal });
    const { seed, digit, at } = state;
    field.value = seed;
    field.setCustomValidity("");
    classes.replaceChildren(classChoice(model, digit, (chosen) => choose({ digit: chosen })));
    const sheets = new Sheets({ model, seed, digit: digit === "" ? null : Number(digit) }, stream.signal);
    /** @param {number} index */
    const address = (index) => link("wall", { seed, digit, open: index });
    first = at < FAR ? 0 : Math.floor(at / 100) * 100;
    grid = wall({
      sheets,
      first,
      opening: at,
      address,
      signal: stream.signal,
      scrolled: (index) => {
        if (state.open !== null) return;
        state = { ...state, at: index > first ? index : first };
        context.replace(forLink(state));
      },
    });
    view = digitView({
      sheets,
      address,
      closed: (index) => {
        if (stream?.signal.aborted) return;
        state = { ...state, open: null };
        context.replace(forLink(state));
        grid.focus(index);
      },
    });
    place.replaceChildren(grid.element, view.dialog);
    grid.measure(); // now, and not with the next frame, for which a browser may take its time
    if (state.open !== null) void view.show(state.open);
  }

  context.onAsked((asked) => {
    const next = read(asked, model);
    const same = next.seed === state.seed && next.digit === state.digit;
    const at = next.open === null ? next.at : state.at;
    state = { ...next, at };
    if (!same || at < first) return build();
    if (state.open !== null) void view.show(state.open);
    else if (view.dialog.open) view.dialog.close();
    else grid.scrollToIndex(at);
  });
  build();
}

/**
 * @param {import("../asked.js").Asked} asked
 * @param {import("../api.js").Model} model
 * @returns {{seed: string, digit: string, at: number, open: number | null}} the beginning of a wall, where not all can be followed
 */
function read(asked, model) {
  const digits = ["", ...model.class_names.keys()].map(String);
  const seed = asked.value("seed", seedIn, SEED, "wall.seed_refused", { ...SEED_LIMIT, seed: SEED });
  const digit = asked.value("digit", oneOf(digits), "", "wall.digit_refused");
  /** @type {number | null} */
  const none = null;
  const place = wholeIn(0, LAST_INDEX);
  const open = asked.value("open", place, none, "wall.number_refused", { last: LAST_INDEX });
  const at = asked.value("at", place, 0, "wall.number_refused", { last: LAST_INDEX });
  return asked.refused.length > 0 ? { seed, digit, at: 0, open: none } : { seed, digit, at, open };
}

/** @param {ReturnType<typeof read>} state */
const forLink = ({ seed, digit, at, open }) => ({ seed, digit, at: at || "", open });

const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

/**
 * @param {import("../api.js").Model} model
 * @param {string} value
 * @param {(digit: string) => void} choose
 */
function classChoice(model, value, choose) {
  if (model.class_names.length === 0) return "";
  const options = [{ value: "", label: t("wall.all") }, ...model.class_names.map((label, i) => ({ value: String(i), label }))];
  return choice({ label: t("wall.class"), name: "wall-class", options, value, choose });
}
