// One model's card for a prompt: its tokens one by one, what else was likely at each, and another one chosen.
import { ask, button, choices, counted, isolated, level, make, problem, roving, token, visible } from "./pieces.js";

export function writing(number, model, prompt, count, about, lookUp) {
  const body = make("div", { className: "writing" });
  let state = { chosen: [], count };

  async function go(next, select) {
    body.setAttribute("aria-busy", "true");
    try {
      const question = { model: number, prompt, chosen: next.chosen, max_new_tokens: next.count, top_k: about.top_k };
      const answer = await ask("continue", question);
      state = next;
      draw(answer, select ?? Math.min(next.chosen.length, answer.steps.length - 1));
      return answer;
    } catch (error) {
      body.querySelectorAll(".problem").forEach((one) => one.remove());
      body.append(problem(error));
      return null;
    } finally {
      body.removeAttribute("aria-busy");
    }
  }

  function draw(answer, selected) {
    const panel = make("div", { className: "picks", aria: { live: "polite" } });
    const tokens = answer.steps.map((step, index) => {
      const own = index < state.chosen.length && state.chosen[index] !== step.candidates[0].id;
      const classes = `${level(step.chosen.probability)}${own ? " own" : ""}`;
      const label = `Token ${index + 1}: ${visible(step.chosen.token).trim()}${own ? ", chosen by you" : ""}`;
      return token(step.chosen.token.replace(/▁/gu, " "), classes, label, () => pick(index));
    });
    const pick = (index) => {
      tokens.forEach((one, i) => one.setAttribute("aria-pressed", String(i === index)));
      panel.replaceChildren(...offered(answer, index));
    };
    roving(tokens, selected, pick);
    const text = make("p", { className: "quote" }, isolated(prompt, { className: "prompt" }), ...tokens);
    body.replaceChildren(text, ...actions(answer), panel);
    if (tokens.length) pick(selected);
  }

  function offered(answer, index) {
    const step = answer.steps[index];
    const list = step.candidates.some((one) => one.id === step.chosen.id) ? step.candidates : [...step.candidates, step.chosen];
    const told = `Token ${index + 1} of ${answer.steps.length}. Choose another, and the model goes on from there.`;
    const label = `What may stand at token ${index + 1}, by ${model.name}`;
    const pressed = list.findIndex((one) => one.id === step.chosen.id);
    return [
      make("p", { className: "small soft how" }, told),
      choices(list, pressed, label, async (choice) => {
        const chosen = [...answer.ids.slice(0, index), choice.id];
        const next = await go({ chosen, count: Math.max(state.count, chosen.length) }, index);
        if (next) body.querySelector('.tok[aria-pressed="true"]').focus();
      }),
    ];
  }

  function actions(answer) {
    const ended = answer.ended_by !== "length";
    const more = (extra) => button(`+ ${counted(extra, "token")}`, async () => {
      const total = Math.min(about.max_tokens, answer.steps.length + extra);
      const next = await go({ chosen: state.chosen, count: total }, answer.steps.length);
      if (next) body.querySelector(".more").focus();
    }, { disabled: ended || answer.steps.length >= about.max_tokens, className: "more" });
    const again = button("Undo my choices", () => go({ chosen: [], count: state.count }, 0), { hidden: !state.chosen.length });
    const where = about.index ? button("Where does this stand?", () => lookUp(number, prompt, answer.ids)) : null;
    const row = make("div", { className: "row" }, more(1), more(16), again, where);
    return ended ? [make("p", { className: "small soft" }, "Here the model ended the text."), row] : [row];
  }

  return { body, start: () => go(state, 0) };
}
