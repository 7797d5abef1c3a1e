// Rows with their articles, and where the words of a text stand.
import { ask, button, counted, isolated, link, make, problem, roving, token, visible } from "./pieces.js";

export function rowViewer(about, model, use) {
  const found = document.getElementById("found");
  const fields = { split: document.getElementById("split"), row: document.getElementById("row") };

  async function show(split, row, marked = [0, 0]) {
    fields.split.value = split;
    fields.row.value = row;
    try {
      const answer = await ask("row", { model: model(), split, row });
      found.replaceChildren(card(answer, marked, use));
    } catch (error) {
      found.replaceChildren(problem(error));
    }
  }

  const step = (by) => show(fields.split.value, Math.min(about.rows[fields.split.value] - 1, Math.max(0, Number(fields.row.value) + by)));
  document.getElementById("find").addEventListener("submit", (event) => {
    event.preventDefault();
    step(0);
  });
  document.getElementById("before").addEventListener("click", () => step(-1));
  document.getElementById("after").addEventListener("click", () => step(1));
  document.getElementById("any").addEventListener("click", () => {
    show(fields.split.value, Math.floor(Math.random() * about.rows[fields.split.value]));
  });
  return show;
}

function card(answer, marked, use) {
  const panel = make("div", { className: "row picked", aria: { live: "polite" } },
    make("span", { className: "small soft" }, "Choose a token, to continue the row after it or to leave a blank for it."));
  const tokens = answer.tokens.map((text, index) => {
    const inside = index >= marked[0] && index < marked[1];
    return token(text, inside ? "marked" : "", `Token ${index + 1}: ${visible(text).trim()}`, () => pick(index));
  });
  const pick = (index) => {
    tokens.forEach((one, i) => one.setAttribute("aria-pressed", String(i === index)));
    panel.replaceChildren(...offers(answer, index, use));
  };
  roving(tokens, marked[0], pick);
  const pieces = answer.articles.flatMap((article) => [
    make("h3", {}, link(article.title, article.url)),
    make("p", { className: "small soft" }, `tokens ${article.article_tokens[0]} to ${article.article_tokens[1] - 1} of the article, page ${article.page_id}`),
    make("p", { className: "quote" }, ...tokens.slice(...article.row_tokens)),
  ]);
  const place = `Row ${answer.row.toLocaleString("en")} of ${answer.rows.toLocaleString("en")} of ${answer.split}, in ${answer.shard}`;
  return make("div", { className: "card" }, make("p", { className: "small soft" }, visible(place)), ...pieces, panel);
}

function offers(answer, index, use) {
  const before = answer.tokens.slice(0, index).join("");
  const [, space, word] = /^(\s*)(.*)$/su.exec(answer.tokens[index]);
  const after = answer.tokens.slice(index + 1).join("");
  return [
    make("span", {}, "Token ", isolated(word || answer.tokens[index], { className: "chip" }), ` ${index + 1}:`),
    button("Continue after it", () => use(before + answer.tokens[index])),
    button("Leave a blank for it", () => use(`${before}${space}${use.mask}${after}`)),
  ];
}

export async function traced(question, about, show) {
  const place = document.getElementById("traced");
  document.getElementById("untraced").hidden = true;
  try {
    place.replaceChildren(traceCard(await ask("trace", question), about, show));
  } catch (error) {
    place.replaceChildren(problem(error));
  }
  document.getElementById("places").scrollIntoView();
}

function traceCard(trace, about, show) {
  const runs = [...trace.runs, ...trace.validation_runs];
  const own = trace.tokens - trace.given;
  const sum = runs.length
    ? `${counted(trace.traced_tokens, "token")} of the ${own.toLocaleString("en")} ${trace.given ? "that the model added" : "of the text"} stand in training text, in runs of ${about.min_tokens} or more.`
    : `No run of ${about.min_tokens} tokens or more stands in any row.`;
  const list = make("ol", { className: "runs" }, ...runs.map((run) => runItem(run, show)));
  return make("div", { className: "card" }, markedText(trace, runs), make("p", {}, sum), list);
}

function markedText(trace, runs) {
  const characters = [...trace.text];
  const cuts = new Set([0, characters.length, trace.given_characters]);
  runs.forEach((run) => run.characters.forEach((at) => cuts.add(at)));
  const places = [...cuts].sort((a, b) => a - b);
  const text = make("p", { className: "quote" });
  places.slice(0, -1).forEach((start, number) => {
    const inside = runs.filter((run) => run.characters[0] <= start && start < run.characters[1]);
    const piece = isolated(characters.slice(start, places[number + 1]).join(""), { className: start < trace.given_characters ? "prompt" : "" });
    text.append(inside.length ? make("mark", { className: inside.length > 1 ? "twice" : "" }, piece) : piece);
    runs.forEach((run, index) => {
      if (run.characters[1] === places[number + 1]) text.append(make("sup", {}, `${index + 1}`));
    });
  });
  return text;
}

function runItem(run, show) {
  const length = run.tokens[1] - run.tokens[0];
  const told = `${counted(length, "token")}, ${counted(run.train, "place")} in training text, ${run.validation.toLocaleString("en")} in text kept back`;
  const places = run.places.map((one) => make(
    "li",
    {},
    ...one.articles.flatMap((article, index) => [index ? " and " : "", link(article.title, article.url)]),
    " ",
    button(`${one.split} row ${one.row}`, () => {
      show(one.split, one.row, one.tokens);
      document.getElementById("rows").scrollIntoView();
    }, { className: "small" }),
  ));
  return make("li", {}, isolated(run.text.trim(), { className: "chip" }), make("p", { className: "small soft" }, told), make("ul", {}, ...places));
}
