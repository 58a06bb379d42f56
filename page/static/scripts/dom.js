// Elements, made in one line.

import { t } from "./words.js";

/**
 * @typedef {string | Node | null | undefined | false} Child
 * @typedef {Record<string, unknown> & {
 *   on?: Record<string, (event: any) => void>,
 *   style?: Record<string, string | number>,
 *   data?: Record<string, string>,
 * }} Attributes
 */

/**
 * Make an element.
 *
 * `on` holds listeners, `style` CSS properties (set through the CSSOM, which the page's Content-Security-Policy allows,
 * unlike an attribute), `data` what goes into `dataset`; the rest are attributes: `true` is an empty one; `false`, null and
 * undefined are none.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [type, listener] of Object.entries(attributes.on ?? {})) element.addEventListener(type, listener);
    } else if (name === "style") {
      for (const [property, set] of Object.entries(attributes.style ?? {})) element.style.setProperty(property, String(set));
    } else if (name === "data") {
      Object.assign(element.dataset, attributes.data);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child) => child || child === "").map((child) => /** @type {string | Node} */ (child)));
  return element;
}

/**
 * Make an element of an SVG picture.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(string | Node)} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * The head of a scene: its title, which takes the focus when the scene is shown, and a line or two on what it is.
 * @param {string} title
 * @param {...Child} lead
 */
export const sceneHead = (title, ...lead) =>
  h("header", { class: "scene-head" }, h("h1", { tabindex: -1 }, title), lead.length > 0 && h("p", { class: "lead" }, ...lead));

/**
 * A group of radio buttons in a row, one of which is chosen.
 * @param {{label: string, name: string, options: {value: string, label: string}[], value: string,
 *          choose: (value: string) => void}} what
 */
export function choice({ label, name, options, value, choose }) {
  const group = h("fieldset", { class: "choice" }, h("legend", {}, label));
  for (const option of options) {
    const input = h("input", { type: "radio", name, value: option.value, on: { change: () => choose(option.value) } });
    input.checked = option.value === value;
    group.append(h("label", {}, input, h("span", {}, option.label)));
  }
  return group;
}

/**
 * A number between limits, as a slider with its value beside it.
 * @param {{label: string, min: number, max: number, step: number, value: number, say?: (value: number) => string,
 *          change: (value: number) => void}} what
 */
export function slider({ label, min, max, step, value, say = String, change }) {
  const output = h("output", {}, say(value));
  const input = h("input", { type: "range", min, max, step, "aria-valuetext": say(value) });
  input.valueAsNumber = value;
  input.addEventListener("input", () => {
    output.textContent = say(input.valueAsNumber);
    input.setAttribute("aria-valuetext", say(input.valueAsNumber));
    change(input.valueAsNumber);
  });
  return h("label", { class: "slider" }, h("span", {}, label), input, output);
}

/**
 * Run something once calls have ceased for a while.
 * @template {unknown[]} Arguments
 * @param {number} milliseconds
 * @param {(...args: Arguments) => void} run
 * @returns {(...args: Arguments) => void}
 */
export function settled(milliseconds, run) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => run(...args), milliseconds);
  };
}

/** @returns {boolean} whether movement is to be avoided */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * A button that copies a text, and says that it did.
 * @param {() => string} text
 * @param {string} [label]
 */
export function copyButton(text, label = t("copy")) {
  const button = h("button", { type: "button" }, h("span", { "aria-live": "polite" }, label));
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text());
    const said = /** @type {HTMLElement} */ (button.firstChild);
    said.textContent = t("copied");
    setTimeout(() => (said.textContent = label), 2000);
  });
  return button;
}
