// The endless wall: as many rows as a browser can scroll, of which those in sight exist.

import { h } from "../dom.js";
import { SIDE, blank, context2d } from "../ink.js";
import { SHEET, className } from "./sheets.js";
import { t } from "../words.js";

const MOST_ROWS = 100_000; // a browser's longest page is some ten million pixels
const ROWS_BEYOND = 2; // above and below what is in sight
const ALIGN = 24; // the squares of the paper
const BARS = 140; // pixels at the top of a window that lie beneath the page's bars

/**
 * @param {object} what
 * @param {import("./sheets.js").Sheets} what.sheets
 * @param {number} what.first index of the first digit
 * @param {number} what.opening index of the one that is in sight at first
 * @param {(index: number) => string} what.address of a digit's own view
 * @param {(index: number) => void} what.scrolled called with the first index in sight, once scrolling has ceased
 * @param {AbortSignal} what.signal
 */
export function wall({ sheets, first, opening, address, scrolled, signal }) {
  const element = h("div", { class: "wall-digits" });
  /** @type {Map<number, HTMLElement>} */
  const rows = new Map();
  let columns = 0;
  let cell = 0;
  let timer = 0;

  /** Lay the rows out anew, where the element's width is another. */
  function measure() {
    const width = element.clientWidth;
    const wanted = width < 520 ? 2.5 * ALIGN : 3 * ALIGN;
    const fit = Math.max(4, Math.floor(width / wanted));
    const size = width < 520 ? width / fit : wanted;
    if (fit === columns && size === cell) return;
    const at = columns ? firstInSight() : opening;
    [columns, cell] = [fit, size];
    rows.forEach((row) => row.remove());
    rows.clear();
    element.style.setProperty("height", `${MOST_ROWS * cell}px`);
    element.style.setProperty("--cell", `${cell}px`);
    if (at > first) scrollToIndex(at);
    show();
  }

  /** @returns {number} where the wall begins on the page */
  const top = () => element.getBoundingClientRect().top + scrollY;
  const firstInSight = () => first + Math.max(0, Math.floor((scrollY + BARS - top()) / cell + 0.5)) * columns;

  /** @param {number} index */
  function scrollToIndex(index) {
    const row = Math.floor((index - first) / columns);
    scrollTo(0, row > 0 ? top() + row * cell - BARS : 0);
  }

  function show() {
    const begin = Math.max(0, Math.floor((scrollY - top()) / cell) - ROWS_BEYOND);
    const end = Math.min(MOST_ROWS, Math.ceil((scrollY + innerHeight - top()) / cell) + ROWS_BEYOND);
    for (const [number, row] of rows) {
      if ((number < begin || number >= end) && !row.contains(document.activeElement)) {
        row.remove();
        rows.delete(number);
      }
    }
    for (let number = begin; number < end; number++) if (!rows.has(number)) add(number);
    const settle = () => scrolled(firstInSight());
    clearTimeout(timer);
    timer = window.setTimeout(settle, 300);
  }

  /** @param {number} number */
  function add(number) {
    const start = first + number * columns;
    const canvas = blank(Math.round(columns * cell * devicePixelRatio), Math.round(cell * devicePixelRatio));
    canvas.className = "ink";
    const row = h("div", { class: "wall-row", style: { top: `${number * cell}px` } }, canvas);
    for (let column = 0; column < columns; column++) {
      const index = start + column;
      const label = t("wall.one", { name: className(sheets.stream, index), index });
      row.append(h("a", { href: address(index), tabindex: -1, "aria-label": label, data: { index: String(index) } }));
    }
    rows.set(number, row);
    element.append(row);
    if (!element.querySelector('[tabindex="0"]')) row.querySelector("a")?.setAttribute("tabindex", "0");
    for (let sheet = Math.floor(start / SHEET); sheet <= Math.floor((start + columns - 1) / SHEET); sheet++) {
      const there = sheets.here.get(sheet);
      if (there) draw(canvas, start, sheet, there.canvas);
      else
        sheets.get(sheet).then(
          (come) => rows.get(number) === row && draw(canvas, start, sheet, come.canvas, true),
          () => undefined, // left meanwhile
        );
    }
  }

  /**
   * @param {HTMLCanvasElement} canvas of a row
   * @param {number} start the row's first index
   * @param {number} sheet
   * @param {HTMLCanvasElement} from the sheet's digits
   * @param {boolean} [late] it came after the row
   */
  function draw(canvas, start, sheet, from, late = false) {
    const context = context2d(canvas);
    context.imageSmoothingQuality = "high";
    const size = canvas.height;
    const margin = size * 0.08;
    for (let column = 0; column < columns; column++) {
      const place = start + column - sheet * SHEET;
      if (place < 0 || place >= SHEET) continue;
      const [x, y] = [(place % 10) * SIDE, Math.floor(place / 10) * SIDE];
      const left = column * cell * devicePixelRatio;
      context.drawImage(from, x, y, SIDE, SIDE, left + margin, margin, size - 2 * margin, size - 2 * margin);
    }
    if (late) canvas.classList.add("late");
  }

  /**
   * Move the focus as the arrows say: one digit of the wall takes the tabulator, the others are reached from it.
   * @param {KeyboardEvent} event
   */
  function move(event) {
    const from = Number(/** @type {HTMLElement} */ (event.target).dataset.index);
    const page = Math.max(1, Math.floor(innerHeight / cell) - 2) * columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step === undefined || Number.isNaN(from)) return;
    event.preventDefault();
    focus(Math.max(first, from + step));
  }

  /**
   * Bring a digit into sight and give it the focus.
   * @param {number} index
   */
  function focus(index) {
    const y = top() + Math.floor((index - first) / columns) * cell;
    if (y < scrollY + BARS || y + cell > scrollY + innerHeight) scrollTo(0, y - innerHeight / 2);
    show();
    const next = /** @type {HTMLElement | null} */ (element.querySelector(`[data-index="${index}"]`));
    if (!next) return;
    element.querySelectorAll('[tabindex="0"]').forEach((each) => each.setAttribute("tabindex", "-1"));
    next.tabIndex = 0;
    next.focus({ preventScroll: true });
  }

  element.addEventListener("keydown", move);
  addEventListener("scroll", () => requestAnimationFrame(() => signal.aborted || show()), { signal, passive: true });
  const resized = new ResizeObserver(() => measure());
  resized.observe(element);
  signal.addEventListener("abort", () => {
    resized.disconnect();
    clearTimeout(timer);
  });
  return { element, focus, measure, scrollToIndex };
}
