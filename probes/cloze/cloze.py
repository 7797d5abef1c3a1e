"""Fill the blanks of a text with the likeliest words, by a masked or by a causal model."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from probes.cloze.answer import Blank, Choice, Cloze, Reading
from probes.cloze.candidates import fill_given, shown
from probes.cloze.causal import fill_causal
from probes.generation import by_layer, layer_logits, top
from probes.model import LoadedModel
from probes.settings import BLANKS, MASK
from wikilm.errors import UsageError


def fill(
    loaded: LoadedModel,
    text: str,
    top_k: int,
    candidates: int | None = None,
    words: Sequence[str] = (),
    *,
    layers: bool = False,
) -> Cloze:
    """Fill every blank of `text`.

    Args:
        loaded: a masked or causal model. A masked one fills all blanks at once. A causal one fills them from left to
            right, each with the likeliest word before it goes on.
        text: `[MASK]`, `<mask>` or the tokenizer's own mask token stands for a blank.
        top_k: how many choices to give for each blank.
        candidates: how many words a causal model scores in the whole text, the likeliest by their first token; None
            for all that fit the blank, or as many as a large model scores in some seconds.
        words: further words, of any number of tokens, which are always scored and given.
        layers: ask what each layer of a masked model alone would say, too.

    Raises:
        UsageError: there is no blank, the text has more tokens than the model has positions, or the layers of a
            causal model are asked for.
        RunError: a masked model whose tokenizer has no mask token, or no word fits the blank.
    """
    if loaded.kind == "masked":
        _ = loaded.mask_id  # which is to be there before anything is said of the text
    own = loaded.tokenizer.mask_token
    spellings = dict.fromkeys([*BLANKS, *([own] if own else [])])
    parts = re.split("|".join(map(re.escape, spellings)), text)
    if len(parts) == 1:
        named = MASK if own in (None, MASK) else f"{MASK} (or {own})"
        raise UsageError(f"--text: {text!r} has no blank; write {named} where it is")
    if layers and loaded.kind == "causal":
        raise UsageError(f"--layers: {loaded.name} is a causal model: ask for its layers by generate --layers")
    if loaded.kind == "masked":
        return _fill_masked(loaded, text, parts, top_k, words, layers=layers)
    return fill_causal(loaded, text, parts, top_k, candidates, words)


def _fill_masked(
    loaded: LoadedModel, text: str, parts: Sequence[str], top_k: int, words: Sequence[str], *, layers: bool
) -> Cloze:
    """Fill all blanks at once, each from one pass over the whole text: what `transformers`' fill-mask pipeline does."""
    mask = loaded.mask_id
    ids = loaded.encode(str(loaded.tokenizer.mask_token).join(parts)).ids
    loaded.check_length(len(ids), "--text")
    inputs = loaded.tensor([list(ids)])
    logits = loaded.logits(inputs)[0]
    filled, blanks = list(ids), []
    places = [n for n, i in enumerate(ids) if i == mask]
    seen = {"input_ids": inputs, "attention_mask": torch.ones_like(inputs)}
    lens = layer_logits(loaded, seen, places) if layers else None
    for number, position in enumerate(places):
        best = top(loaded, logits[position], top_k)
        choices = [
            Choice(rank, c.id, (c.id,), c.token, _word(loaded, ids[:position], c.id), c.probability, None)
            for rank, c in enumerate(best, start=1)
        ]
        known = {choice.ids for choice in choices}
        given = [_given(loaded, logits[position], parts, number, word) for word in dict.fromkeys(words)]
        choices += sorted(
            (choice for choice in given if choice.ids not in known), key=lambda choice: -choice.probability
        )
        size = loaded.vocab_size
        reading = Reading("masked", tuple(choices), size, size, mass=1.0, decided=True)
        each = by_layer(loaded, lens[:, number], top_k) if lens is not None else ()
        blanks.append(Blank(position, (reading,), each))
        filled[position] = best[0].id
    return Cloze(
        text=text,
        ids=tuple(ids),
        tokens=tuple(loaded.show(i) for i in ids),
        attention_mask=(1,) * len(ids),
        logits_shape=(1, *logits.shape),
        blanks=tuple(blanks),
        filled=loaded.decode(filled, special=False),
    )


def _word(loaded: LoadedModel, before: Sequence[int], token_id: int) -> str:
    return loaded.text_after(before, [token_id]).strip()


def _given(loaded: LoadedModel, logits: Tensor, parts: Sequence[str], number: int, word: str) -> Choice:
    """Score a word that was asked for in blank `number`, where `logits` [vocabulary] are those of one mask token.

    A word of several tokens takes as many mask tokens, and its probability is the product of theirs.
    """
    mask = str(loaded.tokenizer.mask_token)
    before, after = mask.join(parts[: number + 1]), mask.join(parts[number + 1 :])
    (filled,) = fill_given(loaded, before, after, [word])
    ids = filled.own
    single = loaded.ranked(logits).softmax(-1)
    probability = float(single[ids[0]]) if len(ids) == 1 else 1.0
    if len(ids) > 1:
        loaded.check_length(len(filled.ids), f"--word {word}")
        hidden = list(filled.ids)
        hidden[filled.first : filled.last] = [loaded.mask_id] * len(ids)
        shares = loaded.ranked(loaded.logits(loaded.tensor([hidden]))[0, filled.first : filled.last]).softmax(-1)
        probability = float(shares.gather(-1, loaded.tensor(ids)[:, None]).prod())
    rank = int((single > probability).sum()) + 1
    return Choice(rank, ids[0], ids, shown(loaded, filled), word, probability, None)
