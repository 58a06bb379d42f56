// Addresses of the page's states, `#/scene?name=value`, and the scenes that show them.

import { Asked } from "./asked.js";
import { h } from "./dom.js";
import { t } from "./words.js";

/**
 * What a scene is given when it is shown.
 * @typedef {object} Context
 * @property {Asked} asked what stands in the address
 * @property {AbortSignal} signal aborted when the scene is left: pass it to addEventListener and to what fetches
 * @property {(params: Params) => void} replace put this state into the address, in the place of the last
 * @property {(params: Params) => void} push the same as a new step for the browser's back button
 * @property {(listener: (asked: Asked) => void) => void} onAsked called when the address changes by other hands
 * @property {() => void} dismiss say no more what of the address could not be followed: other things are asked for now
 *
 * @typedef {Record<string, string | number | boolean | null | undefined>} Params
 *   those that are null, undefined, false or "" are left out
 * @typedef {(section: HTMLElement, context: Context) => void | (() => void) | Promise<void | (() => void)>} Mount
 */

export const SCENES = ["wall", "walk", "draw", "game", "school", "train"];

/** @type {{name: string, leave: () => void, listeners: ((asked: Asked) => void)[]} | null} */
let shown = null;
let showing = 0;

/**
 * @param {string} scene
 * @param {Params} [params]
 * @returns {string} the address of a state, for links
 */
export function link(scene, params = {}) {
  const given = Object.entries(params).filter(([, value]) => ![null, undefined, false, ""].includes(/** @type {any} */ (value)));
  const query = given.map(([name, value]) => `${name}=${encodeURI(String(value))}`).join("&");
  return `#/${scene}${query ? `?${query}` : ""}`;
}

/** @param {string[]} sentences on what of the address cannot be followed */
function tell(sentences) {
  /** @type {HTMLElement} */ (document.getElementById("notice")).textContent = sentences.join(t("shell.between_sentences"));
}

/** @returns {{scene: string, asked: Asked}} */
function parse() {
  tell([]);
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const asked = new Asked(new URLSearchParams(query), tell);
  if (SCENES.includes(path)) return { scene: path, asked };
  if (path) asked.refuse("shell.no_scene", path);
  return { scene: "wall", asked };
}

/** Show what the address says, now and whenever it changes. */
export function startRouter() {
  addEventListener("hashchange", () => void follow());
  return follow({ first: true });
}

/** Show the scene anew: its words have changed. */
export function showAgain() {
  shown?.leave();
  shown = null;
  return follow({ first: true });
}

/** @param {{first?: boolean}} [options] first: the focus stays where it is */
async function follow({ first = false } = {}) {
  const { scene, asked } = parse();
  if (shown?.name === scene) {
    for (const listener of shown.listeners) listener(asked);
    return;
  }
  shown?.leave();
  shown = null;
  const turn = ++showing;
  for (const anchor of document.querySelectorAll("nav a")) {
    const here = anchor.getAttribute("href") === `#/${scene}`;
    here ? anchor.setAttribute("aria-current", "page") : anchor.removeAttribute("aria-current");
  }
  const section = /** @type {HTMLElement} */ (document.getElementById(scene));
  for (const name of SCENES) /** @type {HTMLElement} */ (document.getElementById(name)).hidden = name !== scene;
  document.title = `${t(`nav.${scene}`)} · digitforge`;
  scrollTo(0, 0);
  try {
    const [module] = await Promise.all([import(`./scenes/${scene}.js`), stylesheet(scene)]);
    if (turn !== showing) return;
    await mount(scene, section, asked, module.mount, first);
  } catch (error) {
    console.error(error);
    section.replaceChildren(h("p", { class: "note" }, t("shell.broken")));
  }
}

/**
 * @param {string} name
 * @param {HTMLElement} section
 * @param {Asked} asked
 * @param {Mount} mountScene
 * @param {boolean} first
 */
async function mount(name, section, asked, mountScene, first) {
  const left = new AbortController();
  /** @type {((asked: Asked) => void)[]} */
  const listeners = [];
  /** @type {{unmount: void | (() => void)}} */
  const mounted = { unmount: undefined };
  shown = {
    name,
    listeners,
    leave() {
      left.abort();
      mounted.unmount?.();
      section.replaceChildren();
    },
  };
  section.replaceChildren();
  const context = {
    asked,
    signal: left.signal,
    /** @param {Params} state */
    replace: (state) => left.signal.aborted || history.replaceState(null, "", link(name, state)),
    /** @param {Params} state */
    push: (state) => left.signal.aborted || history.pushState(null, "", link(name, state)),
    /** @param {(asked: Asked) => void} listener */
    onAsked: (listener) => void listeners.push(listener),
    dismiss: () => left.signal.aborted || tell([]),
  };
  const done = await mountScene(section, context);
  if (left.signal.aborted) {
    done?.();
    return;
  }
  mounted.unmount = done;
  if (!first) section.querySelector("h1")?.focus({ preventScroll: true });
}

/**
 * Load a scene's style, once.
 * @param {string} scene
 */
function stylesheet(scene) {
  const href = `static/styles/${scene}.css`;
  if (document.querySelector(`link[href="${href}"]`)) return undefined;
  return new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href, on: { load: resolve, error: () => reject(new Error(href)) } }));
  });
}
