"use strict";

// The film. Without this script its frames lie side by side.
(() => {
  const film = document.getElementById("film");
  if (!film) return;
  const frames = [...film.querySelectorAll(".frames li")];
  const slider = film.querySelector("#moment");
  const button = film.querySelector("#play");
  const count = film.querySelector("#count");
  const wait = Math.min(600, Math.max(80, 6000 / frames.length));
  let timer = 0;

  const show = (index) => {
    frames.forEach((frame, at) => frame.classList.toggle("shown", at === index));
    slider.value = index;
    slider.setAttribute("aria-valuetext", frames[index].innerText);
    count.value = `${index + 1} / ${frames.length}`;
  };
  const pause = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = "▶";
    button.setAttribute("aria-label", "Play");
  };
  const play = () => {
    if (Number(slider.value) === frames.length - 1) show(0);
    timer = setInterval(() => {
      const next = Number(slider.value) + 1;
      if (next < frames.length) show(next);
      if (next >= frames.length - 1) pause();
    }, wait);
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
  };
  const toggle = () => (timer ? pause() : play());

  button.addEventListener("click", toggle);
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  film.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target !== button) {
      event.preventDefault();
      toggle();
    }
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.target !== slider) {  // the slider itself knows these keys
      pause();
      show(Math.min(frames.length - 1, Math.max(0, Number(slider.value) + step)));
    }
  });
  film.classList.add("playing-ready");
  film.querySelectorAll("[hidden]").forEach((element) => { element.hidden = false; });
  show(frames.length - 1);
})();

// The charts: the values under the pointer, or by the arrow keys, in place of the last ones.
document.querySelectorAll("svg.chart").forEach((svg) => {
  const figure = svg.closest("figure");
  const cursor = svg.querySelector(".cursor");
  const at = figure.querySelector(".at");
  const values = [...figure.querySelectorAll(".legend b")];
  const last = values.map((element) => element.textContent);
  const share = svg.dataset.share === "1";
  const curves = [...svg.querySelectorAll("[data-values]")].map((element) => ({
    images: JSON.parse(element.dataset.images),
    values: JSON.parse(element.dataset.values),
    xs: element.points ? [...element.points].map((point) => point.x) : [element.cx.baseVal.value],
  }));
  const longest = curves.reduce((one, other) => (other.xs.length > one.xs.length ? other : one));
  let shown = -1;

  const nearest = (xs, x) => xs.reduce((best, value, index) => (Math.abs(value - x) < Math.abs(xs[best] - x) ? index : best), 0);
  const write = (value) => (share ? `${Number((100 * value).toPrecision(3))}%` : Number(value.toPrecision(3)).toLocaleString("en"));
  const show = (x) => {
    shown = nearest(longest.xs, x);
    const snapped = longest.xs[shown];
    cursor.setAttribute("x1", snapped);
    cursor.setAttribute("x2", snapped);
    cursor.setAttribute("visibility", "visible");
    curves.forEach((curve, index) => { values[index].textContent = write(curve.values[nearest(curve.xs, snapped)]); });
    at.textContent = `${longest.images[shown].toLocaleString("en")} images`;
  };
  const hide = () => {
    shown = -1;
    cursor.setAttribute("visibility", "hidden");
    values.forEach((element, index) => { element.textContent = last[index]; });
    at.textContent = "";
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    show(((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = shown < 0 ? longest.xs.length - 1 : shown + step;
    show(longest.xs[Math.min(longest.xs.length - 1, Math.max(0, from))]);
  });
});
