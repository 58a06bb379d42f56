// Whether the server answers. What reads from it waits until it is back; a line at the top says so meanwhile.

import { t } from "./words.js";

const FIRST_LOOK_MS = 1000;
const LONGEST_WAIT_MS = 8000;

/** @type {Promise<void> | null} */
let back = null;
/** @type {HTMLElement | null} */
let banner = null;

/**
 * Say where it is told that the server is away.
 * @param {HTMLElement} element
 */
export function watchConnection(element) {
  banner = element;
  addEventListener("online", () => look?.());
}

/** @type {(() => void) | undefined} look again at once */
let look;

/**
 * Wait until the server answers again: called by what found that it does not.
 * @returns {Promise<void>}
 */
export function untilBack() {
  back ??= watch().finally(() => {
    back = null;
    if (banner) banner.hidden = true;
  });
  return back;
}

async function watch() {
  for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 1.6, LONGEST_WAIT_MS)) {
    const state = await serving();
    if (state === "serving") return;
    if (banner) {
      banner.textContent = t(state === "away" ? "shell.page_away" : "shell.server_away");
      banner.hidden = false;
    }
    await new Promise((resolve) => {
      look = () => resolve(undefined);
      setTimeout(resolve, wait);
    });
  }
}

/** @returns {Promise<"serving" | "away" | "without server">} */
async function serving() {
  try {
    const answer = await fetch("healthz", { cache: "no-store" });
    return answer.ok && (await answer.json()).server === "serving" ? "serving" : "without server";
  } catch {
    return "away";
  }
}
