// Make elements out of text, never out of markup, and ask the server.

export function make(name, properties = {}, ...children) {
  const { aria = {}, role, ...rest } = properties;
  const element = Object.assign(document.createElement(name), rest);
  if (role) element.setAttribute("role", role);
  for (const [key, value] of Object.entries(aria)) element.setAttribute(`aria-${key}`, String(value));
  element.append(...children.filter((child) => child !== null));
  return element;
}

// Controls are shown by their pictures, marks that turn the direction of text by a sign, as in wikilm/terminal.py.
const UNSAFE = /[\u202a-\u202e\u2066-\u2069\u2028\u2029\p{Cc}\p{Cs}\p{Co}\p{Cn}]/gu;
export function visible(text, keep = "") {
  return text.replace(UNSAFE, (one) => {
    if (keep.includes(one)) return one;
    return one < " " ? String.fromCharCode(0x2400 + one.charCodeAt(0)) : "\ufffd";
  });
}

export function isolated(text, properties = {}) {
  return make("bdi", properties, visible(text, "\n"));
}

export function chance(probability) {
  const share = 100 * probability;
  if (share >= 0.05 || share === 0) return `${share.toFixed(1)} %`;
  return share < 1e-5 ? "< 0.00001 %" : `${Number(share.toPrecision(2)).toFixed(7).replace(/0+$/, "")} %`;
}

export function level(probability) {
  if (probability >= 0.5) return "expected";
  if (probability >= 0.1) return "likely";
  return probability >= 0.01 ? "possible" : "surprise";
}

export function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

export function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function bar(share) {
  const whole = make("span", { className: "meter", aria: { hidden: true } });
  const part = make("span");
  part.style.width = `${(100 * share).toFixed(2)}%`;
  whole.append(part);
  return whole;
}

// A list of tokens with their probabilities, one of which can be chosen: `pressed` is its number.
export function choices(list, pressed, label, choose) {
  const items = list.map((choice, number) => {
    const shown = chance(choice.probability);
    const button = make(
      "button",
      { type: "button", className: "choice", aria: { pressed: number === pressed, label: `${visible(choice.token).trim()}, ${shown}` } },
      make("bdi", { className: "chip" }, visible(choice.token)),
      bar(choice.probability),
      make("span", { className: "n" }, shown),
    );
    button.addEventListener("click", () => choose(choice, number));
    return make("li", {}, button);
  });
  return make("ol", { className: "choices", aria: { label } }, ...items);
}

// A token within a text: a button that breaks over lines as words do, which an element of the name button cannot.
export function token(text, className, label, pick) {
  const one = make("span", { className: `tok ${className}`, role: "button", tabIndex: -1, aria: { label, pressed: false } }, visible(text, "\n"));
  one.addEventListener("click", pick);
  one.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    pick();
  });
  return one;
}

// The tokens of a text are one stop for the tabulator; arrows go on from there.
export function roving(tokens, current, moved = () => {}) {
  tokens.forEach((one, index) => {
    one.tabIndex = index === current ? 0 : -1;
    one.addEventListener("focus", () => tokens.forEach((other) => { other.tabIndex = other === one ? 0 : -1; }));
    one.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tokens.length - 1 }[event.key];
      if (to === undefined || !tokens[to]) return;
      event.preventDefault();
      tokens[to].focus();
      moved(to);
    });
  });
}

export function button(label, click, properties = {}) {
  const one = make("button", { type: "button", ...properties }, label);
  one.addEventListener("click", click);
  return one;
}

export function link(title, address) {
  const name = isolated(title || "no title");
  if (!/^https?:\/\//.test(address ?? "")) return name;
  return make("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, name);
}

export function problem(error) {
  return make("p", { className: "problem", role: "alert" }, isolated(error.message));
}

export async function ask(question, content) {
  let response;
  try {
    response = await fetch(`/api/${question}`, content === undefined ? {} : {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(content),
    });
  } catch {
    throw new Error("The explorer does not answer: it has ended, or is about to. Start it again, and reload this page.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
