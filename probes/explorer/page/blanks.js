// One model's card for a text with blanks: the text filled, and what else may stand in each blank.
import { button, choices, counted, isolated, make, sentence, visible } from "./pieces.js";

export function blanks(number, model, answer, about, lookUp) {
  const parts = answer.text.split(about.blank);
  const holes = answer.blanks.map((blank) => isolated("", { className: "hole" }));
  const filled = make("p", { className: "quote" });
  parts.forEach((part, at) => filled.append(isolated(part), holes[at] ?? ""));
  const lists = answer.blanks.map((blank, at) => readings(model, blank, holes[at], at, parts.length - 1, about));
  const words = () => parts.map((part, at) => part + (holes[at]?.textContent ?? "")).join("");
  const where = button("Where does this stand?", () => lookUp(number, words()));
  return [filled, ...lists, ...(about.index ? [make("div", { className: "row" }, where)] : [])];
}

function readings(model, blank, hole, number, total, about) {
  const found = blank.readings;
  const place = total > 1 ? `Blank ${number + 1}. ` : "";
  const all = make("div", {});
  const show = (taken, choice) => {
    hole.textContent = visible(choice.word);
    all.replaceChildren(...found.flatMap((reading) => [
      make("p", { className: "small soft how" }, `${place}${sentence(about.how[reading.name])}${compared(reading)}`),
      choices(
        reading.choices,
        reading === taken ? reading.choices.indexOf(choice) : -1,
        `${place}What may stand in the blank, by ${model.name}`,
        (other) => {
          show(reading, other);
          all.querySelector('[aria-pressed="true"]').focus();
        },
      ),
    ]));
  };
  const best = found.at(-1);
  show(best, best.choices[0]);
  return all;
}

// How many words were compared, and how sure it is that the best is among them; all of them need no word.
function compared(reading) {
  if (reading.compared === reading.fitting) return "";
  const told = ` ${reading.compared.toLocaleString("en")} of the ${counted(reading.fitting, "word")} that fit were compared`;
  return reading.decided || reading.name !== "rescored" ? `${told}.` : `${told}: one of the others may be better.`;
}
