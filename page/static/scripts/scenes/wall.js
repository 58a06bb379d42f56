// The wall: endless digits of a seed, by class, each of which can be looked at.

import { defaultModel } from "../api.js";
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
  let state = read(context.params);
  /** @type {AbortController | undefined} what belongs to the stream that is shown */
  let stream;
  /** @type {ReturnType<typeof digitView>} */
  let view;
  const place = h("div");

  const field = h("input", { type: "number", min: 0, step: 1, inputmode: "numeric", value: state.seed, id: "wall-seed" });
  field.addEventListener("change", () => field.reportValidity() && field.value && choose({ seed: field.value }));
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
    classes.replaceChildren(classChoice(model, digit, (chosen) => choose({ digit: chosen })));
    const sheets = new Sheets({ model, seed, digit: digit === "" ? null : Number(digit) }, stream.signal);
    /** @param {number} index */
    const address = (index) => link("wall", { seed, digit, open: index });
    const first = at < FAR ? 0 : Math.floor(at / 100) * 100;
    const grid = wall({
      sheets,
      first,
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
    if (at > first) requestAnimationFrame(() => grid.scrollToIndex(at));
    if (state.open !== null) void view.show(state.open);
  }

  context.onParams((params) => {
    const next = read(params);
    const same = next.seed === state.seed && next.digit === state.digit;
    const at = next.open === null ? next.at : state.at;
    state = { ...next, at };
    if (!same) build();
    else if (state.open !== null) void view.show(state.open);
    else if (view.dialog.open) view.dialog.close();
  });
  build();
}

/** @param {URLSearchParams} params */
function read(params) {
  const seed = params.get("seed") ?? SEED;
  const open = params.get("open");
  return {
    seed: /^\d{1,20}$/.test(seed) ? seed : SEED,
    digit: /^\d+$/.test(params.get("digit") ?? "") ? String(params.get("digit")) : "",
    at: whole(params.get("at")),
    open: open === null ? null : whole(open),
  };
}

/** @param {string | null} text */
const whole = (text) => (/^\d{1,15}$/.test(text ?? "") ? Number(text) : 0);

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
