// One model's card for a text with blanks: the text filled, and what else may stand in each blank.
import { choices, isolated, make, sentence } from "./pieces.js";

export function blanks(model, answer, about) {
  const parts = answer.text.split(about.mask);
  const holes = answer.blanks.map((blank) => isolated("", { className: "hole" }));
  const filled = make("p", { className: "quote" });
  parts.forEach((part, number) => filled.append(isolated(part), holes[number] ?? ""));
  const lists = answer.blanks.map((blank, number) => readings(model, blank, holes[number], number, answer.blanks.length, about));
  return [filled, ...lists];
}

function readings(model, blank, hole, number, total, about) {
  const found = blank.readings ?? [{ name: model.kind, choices: blank.choices }];
  const place = total > 1 ? `Blank ${number + 1}. ` : "";
  const all = make("div", {});
  const show = (taken, choice) => {
    hole.textContent = choice.token.replace(/^[▁Ġ\s]+/u, "");
    all.replaceChildren(...found.flatMap((reading) => [
      make("p", { className: "small soft how" }, `${place}${sentence(about.how[reading.name] ?? reading.name)}`),
      choices(
        reading.choices,
        model.kind,
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
