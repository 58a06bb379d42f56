// The wall: endless digits of a seed, by class, each of which can be looked at.

import { defaultModel } from "../api.js";
import { choice, h, sceneHead } from "../dom.js";
import { link } from "../router.js";
import { wall } from "../wall/grid.js";
import { Sheets } from "../wall/sheets.js";
import { digitView } from "../wall/view.js";
import { t } from "../words.js";

const SEED = "7";
const LAST_SEED = "18446744073709551615"; // 2^64 - 1
const LONGEST_TOLD = 40; // letters of what is refused
const FAR = 100_000; // from here on, a wall begins where its address says, not at 0

/** @type {import("../router.js").Mount} */
export async function mount(section, context) {
  const model = await defaultModel();
  if (context.signal.aborted) return;
  let state = read(context.params);
  /** @type {AbortController | undefined} what belongs to the stream that is shown */
  let stream;
  /** @type {ReturnType<typeof wall>} */
  let grid;
  /** @type {ReturnType<typeof digitView>} */
  let view;
  let first = 0; // of the digits that the wall has
  const notice = h("p", { class: "note wall-notice", role: "status" });
  const place = h("div");

  const field = h("input", { type: "number", min: 0, step: 1, inputmode: "numeric", value: state.seed, id: "wall-seed" });
  field.addEventListener("change", () => {
    field.setCustomValidity(isSeed(field.value) ? "" : t("wall.seed_limit", { last: LAST_SEED }));
    if (field.reportValidity()) choose({ seed: field.value });
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
    notice,
    place,
  );

  /** @param {Partial<{seed: string, digit: string}>} changed */
  function choose(changed) {
    state = { ...state, at: 0, open: null, refused: "", ...changed };
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
    sayRefused();
    place.replaceChildren(grid.element, view.dialog);
    grid.measure(); // now, and not with the next frame, for which a browser may take its time
    if (state.open !== null) void view.show(state.open);
  }

  function sayRefused() {
    const { refused, seed } = state;
    notice.textContent = refused && t("wall.seed_refused", { refused, last: LAST_SEED, seed });
  }

  context.onParams((params) => {
    const next = read(params);
    const same = next.seed === state.seed && next.digit === state.digit;
    const at = next.open === null ? next.at : state.at;
    state = { ...next, at };
    if (!same || at < first) return build();
    sayRefused();
    if (state.open !== null) void view.show(state.open);
    else if (view.dialog.open) view.dialog.close();
    else grid.scrollToIndex(at);
  });
  build();
}

/** @param {URLSearchParams} params */
function read(params) {
  const seed = params.get("seed") ?? SEED;
  const open = params.get("open");
  return {
    seed: isSeed(seed) ? seed : SEED,
    refused: isSeed(seed) ? "" : seed.slice(0, LONGEST_TOLD), // what stands in the place of a seed and is none
    digit: /^\d+$/.test(params.get("digit") ?? "") ? String(params.get("digit")) : "",
    at: whole(params.get("at")),
    open: open === null ? null : whole(open),
  };
}

/** @param {string} text */
const isSeed = (text) => /^\d{1,20}$/.test(text) && BigInt(text) <= BigInt(LAST_SEED);

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
