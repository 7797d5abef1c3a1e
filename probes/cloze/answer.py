"""Define what an answer to a cloze is made of, and lay it out for people."""

from dataclasses import dataclass

from probes.generation import Layer, layers_table
from probes.output import quoted, table
from probes.records import Count, Finite, Fraction
from wikilm.terminal import visible

HOW = {
    "masked": "both sides of the blank are read at once; probabilities are over the whole vocabulary",
    "left": "only what stands before the blank is read; probabilities are those of the next token, or in "
    "the middle of a word among the words compared",
    "rescored": "each word is put into the blank, and the whole text is scored from left to right; probabilities are "
    "among the words compared",
}


@dataclass(frozen=True)
class Choice:
    """One way to fill a blank."""

    rank: Count
    id: Count  # of its token, or of the first of several
    ids: tuple[int, ...]
    token: str  # shown so that no two look alike; several tokens as their text
    word: str  # what stands in the text, without the spaces around it
    probability: Fraction
    text_log_probability: Finite | None  # of the whole text, in nats; causal models only


@dataclass(frozen=True)
class Reading:
    """What may stand in a blank by one way of asking, likeliest first; words that were asked for come last."""

    name: str  # masked, left or rescored; see HOW
    choices: tuple[Choice, ...]
    compared: int  # words
    fitting: int  # words that fit the blank
    mass: Fraction  # of the probability of those that fit, what the compared ones hold by the left side; from 0 to 1
    decided: bool  # False: one of those that were not compared might be better than the first


@dataclass(frozen=True)
class Blank:
    """One blank: where it stands among the tokens, and what may stand there."""

    position: int
    readings: tuple[Reading, ...]  # masked; or left, then rescored
    layers: tuple[Layer, ...] = ()  # what each layer alone would say, of a masked model that was asked

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Those of the reading that knows most: `masked` or `rescored`."""
        return self.readings[-1].choices


@dataclass(frozen=True)
class Cloze:
    """A text with blanks, as the model reads it, and filled."""

    text: str
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    attention_mask: tuple[int, ...]
    logits_shape: tuple[int, ...]  # texts, tokens, vocabulary
    blanks: tuple[Blank, ...]
    filled: str  # the text with the likeliest choice in every blank


def describe(cloze: Cloze) -> str:
    """One cloze as text for people."""
    lines = [
        f"  text            {quoted(cloze.text)}",
        f"  ids             {' '.join(map(str, cloze.ids))}",
        f"  tokens          {' '.join(map(quoted, cloze.tokens))}",
        f"  attention mask  {' '.join(map(str, cloze.attention_mask))}",
        f"  logits          {list(cloze.logits_shape)}",
    ]
    for reading in cloze.blanks[0].readings:
        lines.append(f"  {reading.name:<14}  {HOW[reading.name]}")
    for blank in cloze.blanks:
        for reading in blank.readings:
            lines += ["", f"  blank at position {blank.position}, {reading.name}{_compared(reading)}:", _rows(reading)]
        if blank.layers:
            lines += ["", "  what each layer alone would say there:", layers_table(blank.layers, indent="    ")]
    return "\n".join([*lines, "", f"  {visible(cloze.filled)}", ""])


def _compared(reading: Reading) -> str:
    """How many words were compared, and how sure it is that the best is among them."""
    if reading.compared == reading.fitting:
        return f" (all {reading.fitting:,} {'entries' if reading.name == 'masked' else 'words that fit'})"
    share = f"{100 * reading.mass:.2f} % of their probability"
    found = f"{reading.compared:,} of the {reading.fitting:,} words that fit, with {share} by the left side"
    sure = "none of the others is better" if reading.decided else "NOT DECIDED: one of the others may be better"
    return f" ({found}; {sure})" if reading.name == "rescored" else f" ({found})"


def _rows(reading: Reading) -> str:
    header = ["rank", "id", "token", "probability"]
    rows = [[str(c.rank), " ".join(map(str, c.ids)), _shown(c), f"{c.probability:.4f}"] for c in reading.choices]
    if reading.name != "masked":
        header.append("log p(text)")
        rows = [[*row, f"{c.text_log_probability:.2f}"] for row, c in zip(rows, reading.choices, strict=True)]
    return table([header, *rows], indent="    ")


def _shown(choice: Choice) -> str:
    """Return the token, and the word where the token has more to it: in the middle of a word, `light` comes with it."""
    token = quoted(choice.token)
    return token if choice.word in ("", choice.token.lstrip(" ▁#")) else f"{token} for {quoted(choice.word)}"
