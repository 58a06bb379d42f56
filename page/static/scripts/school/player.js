// The slider through the moments of a run, and the button that plays them.

import { h } from "../dom.js";
import { t } from "../words.js";

const FRAME_MS = 90;

/**
 * @param {{show: (moment: number) => void, say: (moment: number) => string, signal: AbortSignal}} what
 *   show: called for every moment that is gone to; say: where that is
 */
export function player({ show, say, signal }) {
  let timer = 0;
  let end = 0;
  const range = h("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": t("school.moment") });
  const output = h("output", { class: "school-when" });
  const icon = h("span", { class: "school-icon", "aria-hidden": "true" });
  const button = h("button", { type: "button", class: "main", "aria-label": t("school.play") }, icon);
  const element = h("div", { class: "school-player" }, button, range, output);

  /** @param {number} moment */
  function go(moment) {
    range.valueAsNumber = moment;
    const said = say(moment);
    output.textContent = said;
    range.setAttribute("aria-valuetext", said);
    show(moment);
  }
  function pause() {
    clearInterval(timer);
    timer = 0;
    button.setAttribute("aria-label", t("school.play"));
    delete button.dataset.playing;
  }
  /** @param {number} [to] the moment to stop at */
  function play(to = Number(range.max)) {
    pause();
    end = to;
    button.setAttribute("aria-label", t("school.pause"));
    button.dataset.playing = "";
    timer = window.setInterval(() => (range.valueAsNumber < end ? go(range.valueAsNumber + 1) : pause()), FRAME_MS);
  }
  button.addEventListener("click", () => {
    if (timer) return pause();
    if (range.valueAsNumber >= Number(range.max)) go(0);
    return play();
  });
  range.addEventListener("input", () => {
    pause();
    go(range.valueAsNumber);
  });
  signal.addEventListener("abort", pause);
  return {
    element,
    go,
    play,
    pause,
    /** @param {number} count of moments */
    of: (count) => range.setAttribute("max", String(count - 1)),
    get moment() {
      return range.valueAsNumber;
    },
  };
}
