"""Fill the blanks of a text with the likeliest tokens: one cloze scorer for masked and causal models.

A masked model reads the text on both sides and gives each blank a distribution over the vocabulary. A causal model
reads from the left only: the likeliest next tokens after the left side are candidates, and each is scored by the
log-probability of the whole text with it.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from probes.generation import top
from probes.model import LoadedModel
from probes.output import quoted, table
from probes.records import Count, Finite, Fraction
from probes.settings import MASK
from wikilm.errors import RunError, UsageError
from wikilm.terminal import visible

_LOGITS_AT_A_TIME = 2**25  # 128 MiB of float32: how many logits a batch of candidates may take

HOW = {
    "masked": "both sides of the blank are read; probabilities are over the whole vocabulary",
    "causal": "the likeliest next tokens after the left side, each scored by the log-probability of the whole text; "
    "probabilities are among these candidates",
}


@dataclass(frozen=True)
class Choice:
    """One way to fill a blank."""

    id: Count
    token: str
    probability: Fraction
    text_log_probability: Finite | None  # of the whole text, in nats; causal models only


@dataclass(frozen=True)
class Blank:
    """One blank: where it stands among the tokens, and what may stand there, likeliest first."""

    position: int
    choices: tuple[Choice, ...]


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


def fill(loaded: LoadedModel, text: str, top_k: int, candidates: int) -> Cloze:
    """Fill every blank of `text`, where `[MASK]`, or the tokenizer's own mask token, stands for a blank.

    Raises:
        UsageError: there is no blank, or the text has more tokens than the model has positions.
        RunError: a masked model whose tokenizer has no mask token.
    """
    own = loaded.tokenizer.mask_token
    if loaded.kind == "masked" and own is None:
        raise RunError(f"{loaded.name}: its tokenizer has no mask token, so it cannot fill blanks")
    if MASK not in text and not (own and own in text):
        named = MASK if own in (None, MASK) else f"{MASK} (or {own})"
        raise UsageError(f"--text: {text!r} has no blank; write {named} where it is")
    if loaded.kind == "masked":
        return _fill_masked(loaded, text, top_k)
    return _fill_causal(loaded, text.replace(own, MASK) if own else text, top_k, candidates)


def _fill_masked(loaded: LoadedModel, text: str, top_k: int) -> Cloze:
    """Fill all blanks at once, each from one pass over the whole text: what `transformers`' fill-mask pipeline does."""
    tokenizer = loaded.tokenizer
    encoded = tokenizer(text.replace(MASK, tokenizer.mask_token), return_tensors="pt")
    ids: Tensor = encoded["input_ids"][0]
    loaded.check_length(len(ids), "--text")
    with torch.inference_mode():
        logits = loaded.model(**encoded.to(loaded.device)).logits
    filled, blanks = ids.clone(), []
    for position in (ids == tokenizer.mask_token_id).nonzero().flatten().tolist():
        choices = tuple(Choice(c.id, c.token, c.probability, None) for c in top(loaded, logits[0, position], top_k))
        blanks.append(Blank(position, choices))
        filled[position] = choices[0].id
    return Cloze(
        text=text,
        ids=tuple(ids.tolist()),
        tokens=tuple(loaded.show(i) for i in ids.tolist()),
        attention_mask=tuple(encoded["attention_mask"][0].tolist()),
        logits_shape=tuple(logits.shape),
        blanks=tuple(blanks),
        filled=str(tokenizer.decode(filled, skip_special_tokens=True)),
    )


def _fill_causal(loaded: LoadedModel, text: str, top_k: int, candidates: int) -> Cloze:
    """Blanks from left to right: each is filled before the next, with the text up to the next blank as its right side.

    A blank takes the space before it with it, since the tokens of such models carry theirs: after a space only tokens
    that start with one are candidates, elsewhere only others.
    """
    parts = text.split(MASK)
    ids, blanks = _ids(loaded, parts[0].rstrip(" ")) or [loaded.start_id], []
    shape: tuple[int, ...] = ()
    shown = list(ids)
    for number, (before, after) in enumerate(pairwise(parts), start=2):
        right = _ids(loaded, after if number == len(parts) else after.rstrip(" "))
        loaded.check_length(len(ids) + 1 + len(right), "--text")
        allowed = _word_starts(loaded) if before.endswith(" ") else ~_word_starts(loaded)
        choices, shape = _rescore(loaded, ids, right, allowed, candidates)
        blanks.append(Blank(len(ids), choices[:top_k]))
        ids += [choices[0].id, *right]
        shown += [-1, *right]
    return Cloze(
        text=text,
        ids=tuple(ids),
        tokens=tuple(MASK if i < 0 else loaded.show(i) for i in shown),
        attention_mask=(1,) * len(ids),
        logits_shape=shape,
        blanks=tuple(blanks),
        filled=str(loaded.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)),
    )


def _ids(loaded: LoadedModel, text: str) -> list[int]:
    return [int(i) for i in loaded.tokenizer(text, add_special_tokens=False)["input_ids"]]


def _word_starts(loaded: LoadedModel) -> Tensor:
    """Bool [vocabulary]: which tokens start with a space (written as Ġ by byte-level BPE, as ▁ by SentencePiece)."""
    names = loaded.tokenizer.convert_ids_to_tokens(list(range(loaded.vocab_size)))
    starts = [name is not None and name.startswith(("Ġ", "▁", " ")) for name in names]
    return loaded.tensor(starts, torch.bool)


def _rescore(
    loaded: LoadedModel, left: list[int], right: list[int], allowed: Tensor, count: int
) -> tuple[tuple[Choice, ...], tuple[int, ...]]:
    """Return the `count` likeliest allowed tokens after `left`, ordered by the log-probability of left + token + right.

    Returns:
        The choices, best first, and the shape of the scored batch's logits: candidates, tokens, vocabulary.
    """
    special = loaded.tensor([i for i in set(loaded.tokenizer.all_special_ids) if i < loaded.vocab_size])
    with torch.inference_mode():
        logits = loaded.ranked(loaded.model(input_ids=loaded.tensor([left])).logits)
        after = logits[0, -1].log_softmax(-1)
        known = logits[0, :-1].log_softmax(-1).gather(-1, loaded.tensor(left[1:])[:, None]).sum()
        first = after[: loaded.vocab_size].masked_fill(~allowed, float("-inf"))
        first[special] = float("-inf")
        found = first.sort(descending=True, stable=True).indices[: min(count, int(first.isfinite().sum()))]
        if len(found) == 0:
            raise RunError(f"{loaded.name}: no token of its vocabulary fits the blank")
        scores = known + after[found] + _continuations(loaded, left, found, right)
    order = scores.sort(descending=True, stable=True).indices
    shares = scores.softmax(-1)
    choices = tuple(
        Choice(int(found[i]), loaded.show(int(found[i])), float(shares[i]), float(scores[i])) for i in order.tolist()
    )
    return choices, (len(found), len(left) + 1 + len(right), int(logits.shape[-1]))


def _continuations(loaded: LoadedModel, left: list[int], found: Tensor, right: list[int]) -> Tensor:
    """float32 [candidates]: log-probability of `right` after `left` and each candidate."""
    if not right:
        return torch.zeros(len(found), device=loaded.device)
    tokens = len(left) + 1 + len(right)
    rows = max(1, _LOGITS_AT_A_TIME // (tokens * loaded.output_size))
    target = loaded.tensor(right)
    scores = []
    for batch in found.split(rows):
        n = len(batch)
        ends = [loaded.tensor(part).expand(n, -1) for part in (left, right)]
        logits = loaded.model(input_ids=torch.cat([ends[0], batch[:, None], ends[1]], dim=1)).logits
        wanted = loaded.ranked(logits[:, len(left) : -1]).log_softmax(-1)
        scores.append(wanted.gather(-1, target.expand(n, -1)[..., None]).sum((1, 2)))
    return torch.cat(scores)


def describe(kind: str, cloze: Cloze) -> str:
    """One cloze as text for people."""
    lines = [
        f"  text            {quoted(cloze.text)}",
        f"  ids             {' '.join(map(str, cloze.ids))}",
        f"  tokens          {' '.join(map(quoted, cloze.tokens))}",
        f"  attention mask  {' '.join(map(str, cloze.attention_mask))}",
        f"  logits          {list(cloze.logits_shape)}",
        f"  how             {HOW[kind]}",
    ]
    for blank in cloze.blanks:
        header = ["rank", "id", "token", "probability"]
        rows = [[str(n), str(c.id), quoted(c.token), f"{c.probability:.4f}"] for n, c in enumerate(blank.choices, 1)]
        if kind == "causal":
            header.append("log p(text)")
            rows = [[*row, f"{c.text_log_probability:.2f}"] for row, c in zip(rows, blank.choices, strict=True)]
        lines += ["", f"  blank at position {blank.position}:", table([header, *rows], indent="    ")]
    return "\n".join([*lines, "", f"  {visible(cloze.filled)}", ""])
