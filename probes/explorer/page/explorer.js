// Put the page together: what is typed goes to every model that is ticked, and each has a card.
import { blanks } from "./blanks.js";
import { ask, button, counted, isolated, make, problem, visible } from "./pieces.js";
import { rowViewer, traced } from "./places.js";
import { writing } from "./writing.js";

const field = (id) => document.getElementById(id);
const [text, cards] = [field("text"), field("cards")];
let asked = 0; // a later question makes the answers to earlier ones void

function start(about) {
  about.blank = new RegExp(about.masks.map((one) => one.replace(/[^\w]/g, "\\$&")).join("|"));
  const boxes = about.models.map((model, number) => addModel(model, number));
  const ticked = () => about.models.map((model, number) => ({ model, number })).filter(({ number }) => boxes[number].checked);
  const first = () => (ticked()[0] ?? { number: 0 }).number;
  const hasBlank = () => about.blank.test(text.value);
  const lookUp = (number, words, ids = []) => traced({ model: number, text: words, ids }, about, show);

  const use = (words) => {
    text.value = words;
    told();
    send();
    field("answers").scrollIntoView();
  };
  use.mask = about.masks[0];
  boxes.forEach((box) => box.addEventListener("change", () => send()));
  const show = about.rows ? rowViewer(about, first, use) : null;

  function told() {
    field("submit").textContent = hasBlank() ? "Fill the blank" : "Continue";
    field("tokens").parentElement.hidden = hasBlank();
  }

  async function send() {
    const mine = ++asked;
    const words = text.value.replaceAll("\r", "");
    field("status").textContent = "The models are asked.";
    cards.replaceChildren();
    const able = ticked().filter(({ model }) => hasBlank() || model.kind === "causal");
    field("scale").hidden = hasBlank() || !able.length;
    if (!able.length) {
      const why = ticked().length ? `A masked model fills blanks and continues nothing: write ${about.masks[0]} somewhere, or tick a causal model.` : "Tick a model.";
      cards.replaceChildren(problem(new Error(why)));
    }
    await Promise.all(able.map(async ({ model, number }) => {
      const card = make("article", { className: "card", aria: { label: model.name } }, ...heading(model));
      cards.append(card);
      const content = hasBlank() ? await filled(model, number, words) : await continued(model, number, words);
      if (mine === asked) card.append(...content);
    }));
    if (mine === asked) field("status").textContent = able.length ? `${counted(able.length, "answer")} below.` : "No answer.";
  }

  async function filled(model, number, words) {
    try {
      return blanks(number, model, await ask("fill", { model: number, text: words, top_k: about.top_k }), about, lookUp);
    } catch (error) {
      return [problem(error)];
    }
  }

  async function continued(model, number, words) {
    const count = Math.min(about.max_tokens, Math.max(1, Number(field("tokens").value) || 1));
    const one = writing(number, model, words, count, about, lookUp);
    await one.start();
    return [one.body];
  }

  field("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  text.addEventListener("input", told);
  field("blank").addEventListener("click", () => {
    text.setRangeText(about.masks[0], text.selectionStart, text.selectionEnd, "end");
    text.focus();
    told();
  });
  field("trace").hidden = field("untraced").hidden = !about.index;
  field("no-index").hidden = about.index;
  field("trace").addEventListener("click", () => lookUp(first(), text.value));
  for (const example of [...about.texts, ...about.prompts]) {
    field("examples").append(button(visible(example), () => use(example), { className: "example-text" }));
  }
  text.maxLength = about.max_characters;
  field("tokens").max = about.max_tokens;
  field("tokens").value = about.max_new_tokens;
  if (!text.value) text.value = about.texts[0] ?? "";
  field("find").hidden = !about.rows;
  field("no-rows").hidden = Boolean(about.rows);
  told();
  send();
  if (show) show("train", 0);
}

function addModel(model, number) {
  const box = make("input", { type: "checkbox", checked: true, id: `model-${number}` });
  const facts = `${model.kind}, ${(model.parameters / 1e6).toFixed(1)} million parameters, ${model.positions ?? "any number of"} positions`;
  field("models").append(make("label", { className: "model", htmlFor: box.id }, box, make("span", {}, isolated(model.name), make("span", { className: "small soft" }, facts))));
  return box;
}

function heading(model) {
  return [
    make("h3", {}, isolated(model.name)),
    make("p", { className: `badge kind ${model.kind}-text` }, model.kind === "masked" ? "masked: reads both sides" : "causal: reads from left to right"),
  ];
}

ask("about").then(start, (error) => field("answers").prepend(problem(error)));
