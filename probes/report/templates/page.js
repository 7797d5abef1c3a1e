"use strict";
// The page is whole without this. It shows one checkpoint at a time, and what a model had in mind at a token.
document.documentElement.classList.add("script");

function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

// Tokens: the list of all steps is on the page; pointing at a token shows its line below the text.
for (const reading of document.querySelectorAll(".read")) {
  const tokens = [...reading.querySelectorAll(".quote .tok")];
  const lines = reading.querySelectorAll(".steps > li");
  if (!tokens.length || tokens.length !== lines.length) continue;
  const panel = make("div", { className: "panel small" });
  panel.setAttribute("aria-live", "polite");
  reading.querySelector(".quote").after(panel);
  const show = (index) => {
    panel.replaceChildren(...[...lines[index].childNodes].map((node) => node.cloneNode(true)));
    tokens.forEach((token, i) => {
      token.setAttribute("aria-pressed", String(i === index));
      token.tabIndex = i === index ? 0 : -1; // one stop for the tabulator; arrows go on from there
    });
  };
  tokens.forEach((token, index) => {
    token.setAttribute("role", "button");
    token.addEventListener("pointerenter", () => show(index));
    token.addEventListener("click", () => show(index));
    token.addEventListener("focus", () => show(index));
    token.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || !tokens[index + step]) return;
      event.preventDefault();
      tokens[index + step].focus();
    });
  });
  const level = ["surprise", "possible", "likely"].find((name) => tokens.some((token) => token.classList.contains(name)));
  const first = tokens.findIndex((token) => token.classList.contains(level));
  show(first < 0 ? Math.min(1, tokens.length - 1) : first);
}

// Checkpoints: one at a time, by a slider, with a line in the plot above.
for (const list of document.querySelectorAll(".moments")) {
  const moments = [...list.children];
  if (moments.length < 2) continue;
  const name = `What the ${list.dataset.model} model answered, by step`;
  const slider = make("input", { type: "range", className: "slider", min: 0, max: moments.length - 1, ariaLabel: name });
  const show = () => {
    const step = moments[slider.value].dataset.step;
    moments.forEach((moment) => { moment.hidden = moment.dataset.step !== step; });
    list.parentElement.querySelectorAll(".now").forEach((line) => line.classList.remove("now"));
    document.getElementById(`${list.dataset.model}-at-${step}`)?.classList.add("now");
    slider.setAttribute("aria-valuetext", `step ${step}`);
  };
  slider.value = moments.length - 1;
  slider.addEventListener("input", show);
  list.before(slider);
  show();
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
